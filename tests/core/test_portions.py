"""A page of readings in portions gives what it gives at once, and what its rows give one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.core.session import Session
from monitor.records import CyclerDocument
from monitor.wire.documents import decode, encode, portions, rows_of
from tests.core.experiment import cycler_documents, settings

ROWS = 2300
TIMES = [60.0 + 10.0 * n for n in range(ROWS)]
CURRENTS = [-0.1 if n % 100 else 0.0 for n in range(ROWS)]


def page(**changes: Any) -> dict[str, Any]:
    doc = {
        "descriptor": "d-A",
        "time": TIMES,
        "seq_num": list(range(1, ROWS + 1)),
        "uid": [f"u{n}" for n in range(ROWS)],
        "data": {"vmp_current": CURRENTS, "other": [1] * ROWS},
        "timestamps": {"vmp_current": TIMES},
        "filled": {},
    }
    return doc | changes


def some(values: list[Any], **odd: Any) -> list[Any]:
    return [odd.get(f"at_{n}", value) for n, value in enumerate(values)]


def with_currents(currents: Any) -> dict[str, Any]:
    return page(data={"vmp_current": currents})


PAGES = {
    "clean": page(),
    "arrays": page(time=np.array(TIMES), data={"vmp_current": np.array(CURRENTS)}),
    "texts among the values": with_currents(some(CURRENTS, at_7="x", at_999="y", at_1000="z")),
    "null, NaN, lists": with_currents(some(CURRENTS, at_1000=None, at_1001=float("nan"), at_5=[1])),
    "times back and twice": page(
        time=some(TIMES, at_1000=30.0, at_1001=60.0, at_2000=TIMES[1999]),
        timestamps={"vmp_current": some(TIMES, at_1000=30.0, at_1001=60.0, at_2000=TIMES[1999])},
    ),
    "a time far ahead": page(timestamps={"vmp_current": some(TIMES, at_1000=9e8)}),
    "no timestamps": page(timestamps={}),
    "none of the cell's keys": page(data={"other": [1] * ROWS}),
    "an unknown run": page(descriptor="d-X"),
    "a column that is none": with_currents(5),
    "time is bytes": page(time=bytes(ROWS), timestamps={}),
    "no sequence numbers": {k: v for k, v in page().items() if k not in ("seq_num", "uid")},
}  # fmt: skip
SAME_COUNTS = PAGES.keys() - {"an unknown run", "a column that is none", "none of the cell's keys"}
"""What is said of a page is said of each portion."""


def fed(documents: list[CyclerDocument]) -> Session:
    session = Session(settings())
    for document in [*cycler_documents(0.0)[:2], *documents]:
        session.feed(document)
    return session


def columns(session: Session) -> list[list[Any]]:
    history = session._cells["A"].history
    return [list(history.times), [history.charge_at(time) for time in history.times]]


@pytest.mark.parametrize("name", PAGES)
def test_the_same_readings_in_the_same_order(name: str) -> None:
    whole = CyclerDocument("event_page", PAGES[name])
    parts = list(portions(whole, 1000))
    assert [rows_of(part) for part in parts] == [1000, 1000, 300]
    one, other = fed([whole]), fed(parts)
    np.testing.assert_array_equal(columns(one), columns(other))
    assert one.cycler == other.cycler
    once, again = (session.feeds["documents"] for session in (one, other))
    assert once["readings"] == again["readings"]
    assert once["readings"] == ROWS or name != "clean"
    assert once["bad"].keys() == again["bad"].keys()
    if name in SAME_COUNTS:
        assert once["bad"] == again["bad"]


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_portions_hold_every_row_once(codec: Any) -> None:
    sent = decode(encode(CyclerDocument("event_page", PAGES["arrays"]), codec))
    parts = [part.doc for part in portions(sent, 700)]
    for key in ("time", "seq_num", "uid"):
        assert [v for part in parts for v in part[key]] == list(PAGES["clean"][key])
    joined = [v for part in parts for v in part["data"]["vmp_current"]]
    assert joined == CURRENTS
    assert {part["descriptor"] for part in parts} == {"d-A"}


@pytest.mark.parametrize("longer", [0, 5, 5000])
def test_columns_of_other_lengths_are_told(longer: int) -> None:
    doc = with_currents([*CURRENTS, *[0.5] * longer] if longer else CURRENTS[:1500])
    whole = CyclerDocument("event_page", doc)
    one, other = fed([whole]), fed(list(portions(whole, 1000)))
    assert columns(one) == columns(other)
    assert one.feeds["documents"]["bad"].keys() == other.feeds["documents"]["bad"].keys()
    assert "bad_document" in other.feeds["documents"]["bad"]


@pytest.mark.parametrize("name", ["event", "start", "descriptor", "datum_page", "strange"])
def test_other_documents_stay_whole(name: str) -> None:
    document = CyclerDocument(name, {"time": [0.0] * 5000})
    assert list(portions(document, 1000)) == [document] and rows_of(document) == 1
