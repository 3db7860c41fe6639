"""A state that came in pieces is the one that comes whole."""

import json
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.state import Store
from monitor.settings import parse
from monitor.wire.fields import plain
from monitor.wire.results.state_updates import Facts, merged
from tests.gui.synthetic import Cell

CELL = Cell(shape=(20, 48, 60), pits=3)
RESULTS = {(n, early): CELL.result(n, early) for n in range(4) for early in (False, True)}
STEPS = st.lists(st.tuples(st.sampled_from(sorted(RESULTS)), st.booleans()), max_size=12)


def told(store, seen, changes=True):
    since, engine = (seen["version"], seen["engine"]) if seen else (-1, "")
    return json.loads(store.state(since, engine, changes=changes))


@given(STEPS)
def test_pieces_make_the_whole_in_whatever_order_scans_come(steps):
    store = Store(parse({}), None, "live")
    seen = merged(None, told(store, None))
    for which, looks in steps:
        store.update([RESULTS[which]], EngineState())
        if looks:
            seen = merged(seen, told(store, seen))
    news = told(store, seen)
    if not news.get("unchanged"):
        seen = merged(seen, news)
    whole = told(store, None)["cells"]["A"]["scans"]
    assert plain(seen["cells"]["A"]["scans"]) == whole


def test_what_is_whole_forgets_what_was_known():
    first, second = Store(parse({}), None, "live"), Store(parse({}), None, "live")
    first.update([RESULTS[2, False]], EngineState())
    second.update([RESULTS[1, False]], EngineState())
    seen = merged(None, told(first, None))
    seen = merged(seen, told(second, seen))
    assert [scan["scan"] for scan in seen["cells"]["A"]["scans"]] == [1]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3)
)


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=8), max_size=4))
def test_facts_are_what_they_were_made_of(dicts):
    for told in dicts:
        facts = Facts(told)
        assert dict(facts) == told and len(facts) == len(told)
        assert [type(facts[key]) for key in told] == [type(value) for value in told.values()]
        assert facts.get("absent", 5) == 5


def test_hundreds_of_scans_stay_small():
    told = {f"fact_{n}_um": n + 0.5 for n in range(100)} | {"scan": 0, "maps": ["height"]}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [Facts(json.loads(json.dumps(told | {"scan": n}))) for n in range(200)]
        each = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert each < 1500  # 800 bytes of numbers
    assert dict(kept[9]) == told | {"scan": 9, "maps": ("height",)}
