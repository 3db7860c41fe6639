"""Two screens that connect at different times say the same, in every state of engine and feeds; and
bar, card, panel and alarm of one cell agree."""

import pytest

from monitor.engine.engine import Engine
from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from monitor.playback.opened import Recorded, serving_settings
from monitor.recording.read.experiment import open_experiment
from tests.core.experiment import scan_records
from tests.gui.live import LiveEngine
from tests.gui.said import ages, words
from tests.recording.opened_run import chosen, run

WAIT = 30_000
WATCH = {"late_s": 1.0, "dead_s": 3.0, "cycler_s": 4.0}
FIRST_SLICES = 40


@pytest.fixture
def look_at(qtbot, qapp):
    """look_at(engine) → another window on cell A, its client closed at the end."""
    theme.apply(qapp)
    clients = []

    def build(engine):
        client = Client(engine.pull_address, engine.status_address)
        clients.append(client)
        window = Window(client, "A")
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        return window

    yield build
    for client in clients:
        client.close()


def agree(qtbot, first, look_at, engine, done):
    """Waits until the first screen says what `done` wants; a second one then says the same."""
    qtbot.waitUntil(lambda: bool(done(words(first))), timeout=WAIT)
    second = look_at(engine)
    qtbot.waitUntil(lambda: words(second) == words(first), timeout=WAIT)
    if first.snapshot.linked:
        qtbot.waitUntil(lambda: all(map(are_near, ages(first), ages(second))))
    return words(second)


def are_near(one, other):
    """Whether two ages are told within 3 s of each other; they are those of two moments."""
    return other is None if one is None else other is not None and abs(one - other) < 3.0


@pytest.mark.slow
def test_a_live_engine_from_its_first_reply_to_its_end(qtbot, look_at, tmp_path):
    engine = LiveEngine(tmp_path, watch=WATCH)
    closed = False
    try:
        first = look_at(engine)
        told = agree(qtbot, first, look_at, engine, lambda w: w["card"])
        assert told["card"] == "IDLE waiting for the first scan"
        assert "Slices IDLE" in told["slices"] and "Cycler IDLE" in told["cycler"]

        engine.scan(0)
        records = scan_records(1)
        engine.feed.put("slices", records[:FIRST_SLICES])
        told = agree(qtbot, first, look_at, engine, lambda w: "DEAD" in w["card"])
        # all has stopped: bar, card, panel and alarms of the cell agree
        assert "Slices DEAD" in told["slices"] and "✕ DEAD" in told["panel"]
        assert "scan 1 is running, but no slices are received" in told["slices why"]
        assert "has been received for" in told["alarms"]

        told = agree(qtbot, first, look_at, engine, lambda w: "Cycler DEAD" in w["cycler"])
        assert told["card"].startswith("DEAD")
        conditions = first.snapshot.state["cells"]["A"]["watch"]["conditions"]
        assert set(conditions) >= {"slices_dead", "cycler_dead"}

        engine.feed.put("slices", records[FIRST_SLICES:])
        told = agree(qtbot, first, look_at, engine, lambda w: "Slices IDLE" in w["slices"])
        assert told["card"].startswith("DEAD no reading"), "of the cycler there is still none"

        third = look_at(engine)
        qtbot.waitUntil(lambda: bool(words(third)["card"]), timeout=WAIT)
        engine.close()
        closed = True
        for window in (first, third):
            qtbot.waitUntil(lambda w=window: "does not answer" in words(w)["engine"], timeout=WAIT)
        assert words(first) == words(third)
        told = words(first)
        assert told["card"] == "DEAD the engine does not answer"
        assert told["newest"].endswith("the engine does not answer")
        never = look_at(engine)
        qtbot.waitUntil(lambda: "does not answer" in words(never)["engine"], timeout=WAIT)
        for part in ("engine", "slices", "cycler", "panel"):
            assert _state(words(never)[part]) == _state(told[part])
    finally:
        if not closed:
            engine.close()


def _state(text):
    """The state without the counters, which a screen that never had an answer cannot know."""
    return text.partition(" · ")[0].strip()


@pytest.mark.slow
def test_the_cyclers_run_ends_and_nothing_is_called_silent(qtbot, look_at, tmp_path):
    engine = LiveEngine(tmp_path, watch=WATCH)
    try:
        first = look_at(engine)
        engine.scan(0)
        stop = {"uid": "stop-A", "run_start": "run-A", "time": 9.0, "exit_status": "success"}
        from monitor.records import CyclerDocument

        engine.feed.put("documents", [CyclerDocument("stop", stop)])
        told = agree(qtbot, first, look_at, engine, lambda w: "has ended" in (w["due"] or ""))
        assert told["next"] == "Next scan not expected: the cycler's run has ended"
        assert "Cycler IDLE" in told["cycler"] and "run has ended" in told["newest"]
        qtbot.waitUntil(lambda: ages(first)[1] > WATCH["cycler_s"] + 1, timeout=WAIT)
        assert words(first)["alarms"] == "" and "Cycler IDLE" in words(first)["cycler"]
    finally:
        engine.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording of three scans, and the engine in front of it that has replayed all of it."""
    engine, recorder = run(chosen(tmp_path_factory.mktemp("runs")))
    yield engine, recorder.folder
    engine.close()


@pytest.mark.slow
def test_a_replay_and_its_end(qtbot, look_at, recorded):
    engine, _ = recorded
    told = agree(qtbot, look_at(engine), look_at, engine, lambda w: "REPLAY" in (w["card"] or ""))
    assert "Slices REPLAY" in told["slices"] and "Cycler REPLAY" in told["cycler"]
    engine._ended = lambda: True
    Engine._show(engine, (), force=True)
    first = look_at(engine)
    told = agree(qtbot, first, look_at, engine, lambda w: "ended" in (w["card"] or ""))
    assert told["next"] == "Next scan not expected: the replay has ended"
    assert "replay ended" in told["mode"] and "replay has ended" in told["newest"]


def test_a_recording_that_is_opened(qtbot, look_at, recorded):
    experiment = open_experiment(recorded[1])
    settings = serving_settings(experiment, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
    publisher = Recorded(experiment, settings).publish()
    try:
        first = look_at(publisher)
        told = agree(qtbot, first, look_at, publisher, lambda w: "REPLAY" in (w["card"] or ""))
        assert told["next"] == "Next scan not expected: this is a recording"
        assert "recording" in told["mode"] and "recording" in told["newest"]
        assert "nothing is received" in told["slices why"]
    finally:
        publisher.close()
