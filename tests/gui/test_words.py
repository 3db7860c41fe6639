"""Words of the screen that were wrong: where a value is not fetched, what a difference subtracts,
what has ended, what became of a request."""

import numpy as np
import pytest

from monitor.gui.state.snapshot import Choice, Order, Snapshot
from monitor.gui.views.acquisition.view import AcquisitionPanel
from monitor.gui.views.map.view import MapView
from monitor.gui.views.section.view import stretch_text
from monitor.gui.views.timeline.view import TimelineView
from monitor.gui.views.trend.view import TrendView
from monitor.gui.widgets import theme
from monitor.gui.wording import map_captions
from monitor.gui.wording.map_values import APPLIED, in_short
from monitor.wire.results.queries import ScanOrder
from tests.core.experiment import cycler_documents, scan_records, settings
from tests.gui import made


@pytest.fixture(autouse=True)
def look(qapp):
    theme.apply(qapp)


# --- the map ---


def readout(cross, window=(0, 60, 0, 80), **choice):
    array = np.full((60, 80), 2.0)
    array[:8, :8] = np.nan
    answer = made.map_answer("A", 3, array=array, window=window)
    return map_captions.value_text(answer, made.scan(3), Choice("A", cross=cross, **choice))


def test_what_lies_outside_the_view_is_not_called_not_measurable():
    assert "outside the part in view" in readout((100, 100))
    assert "outside the part in view" in readout((30, 100), masked=True)
    assert "not measurable" not in readout((100, 100))
    assert readout((4, 4)).endswith("<b>not measurable here</b>")
    assert "2.00 µm" in readout((30, 30))


def test_a_difference_names_both_scans(qtbot):
    view = MapView()
    qtbot.addWidget(view)
    answer = made.map_answer("A", 7, minus=3, window=(0, 120, 0, 160))
    shown = made.of_one_cell([made.scan(3), made.scan(7)], map=answer)
    view.draw(shown, Choice("A", map="removal", pinned=3, comparison="difference"))
    assert "Scan 7</b> minus <b>scan 3</b>" in view.caption.text()
    assert view.bar_scale.getAxis("right").labelText == "Δ / µm"


def test_one_pit_is_one_pit():
    header = {"units": "µm", "length_unit": "µm", "pits": 1, "area": 10.0, "mean": 1.0}
    assert in_short(header).endswith("1 pit")


@pytest.mark.parametrize("factor", [0.04, 0.004, 0.96, 1.0, 12.34])
def test_a_stretch_is_never_0(factor):
    assert float(stretch_text(factor)) == pytest.approx(factor, rel=0.05)


def test_every_key_that_an_applied_current_is_read_by_is_written():
    from monitor.core.session import Session
    from monitor.records import ScanResult

    session, results = Session(settings("A")), []
    documents = cycler_documents(4000.0)
    for scan in range(2):
        for document in documents:
            if scan == 0:
                session.feed(document)
        for record in scan_records(scan):
            results += [o for o in session.feed(record) if isinstance(o, ScanResult)]
    summary = [result for result in results if not result.provisional][-1].summary
    for name, key in APPLIED.items():
        assert summary[key] is not None, name


# --- what has ended ---


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "(key L)"),
        ({"mode": "recording"}, "no more are expected: this is a recording"),
        ({"mode": "replay"}, "(key L)"),
        ({"mode": "replay", "ended": True}, "no more are expected: the replay has ended"),
        ({"linked": False}, "the engine does not answer"),
    ],
)
def test_the_newest_scan_is_followed_and_it_is_said_if_no_more_are_expected(qtbot, more, why):
    view = TimelineView()
    qtbot.addWidget(view)
    view.draw(made.snapshot({"A": made.cell(made.scan(0))}, **more), Choice("A"))
    assert "live" not in view.live.text().lower()
    assert view.live.toolTip().endswith(why)


# --- requests ---


def panel_of(qtbot, **more):
    panel = AcquisitionPanel()
    qtbot.addWidget(panel)
    request = {"id": "r", "reason": "manual", "status": "sent", "why": "", "scan": None,
               "after_scan": 3, "by": "Anna", "words": "edge looks odd"}  # fmt: skip
    policy = {"mode": "auto", "max_scans": 20, "extra_scans": 3, "refusal": ""}
    about = made.cell(made.scan(3), requests=[request | more.pop("request", {})],
                      unanswered=more.pop("unanswered", []),
                      policy=policy | more.pop("policy", {}))  # fmt: skip
    panel.draw(made.snapshot({"A": about}, **more), Choice("A"))
    return panel


def test_a_request_stands_with_who_asked_and_why(qtbot):
    text = panel_of(qtbot).requests.item(0).text()
    assert text == "requested by the operator, after scan 3, by Anna, “edge looks odd”: sent"


@pytest.mark.parametrize(
    ("waiting", "word", "colour"),
    [
        ([], "sent", "warn"),
        ([{"id": "r", "age_s": 4.0, "received": None}], "sent", "warn"),
        ([{"id": "r", "age_s": 25.0, "received": False}], "not received", "bad"),
        ([{"id": "other", "age_s": 25.0, "received": False}], "sent", "warn"),
    ],
)
def test_a_request_that_nobody_received_is_red_where_it_stands(qtbot, waiting, word, colour):
    item = panel_of(qtbot, unanswered=waiting).requests.item(0)
    assert f": {word}" in item.text()
    assert item.foreground().color().name() == getattr(theme.palette(), colour)
    assert ("25 s" in item.text()) == (word == "not received")


def test_the_panel_does_not_say_that_an_unanswered_request_is_on_its_way(qtbot):
    policy = {"unanswered": 1, "refusal": "an extra scan has been requested and is not finished"}
    assert "not finished" not in panel_of(qtbot, policy=policy).policy.spent.text()


def test_in_a_recording_a_request_that_was_never_answered_says_so(qtbot):
    assert "not received" in panel_of(qtbot, mode="recording").requests.item(0).text()


def test_what_nobody_received_is_not_spent(qtbot):
    panel = panel_of(qtbot, policy={"unanswered": 1})
    assert panel.policy.spent.text().startswith(
        "2 of 20 extra scans used; 1 requested and not answered yet"
    )
    assert panel_of(qtbot).policy.spent.text() == "3 of 20 extra scans used"


@pytest.mark.parametrize(
    ("order", "status", "text"),
    [
        (ScanOrder("A"), "asking", "Extra scan: asking the engine"),
        (ScanOrder("A"), "sent", "Extra scan: sent to the engine; see the list below"),
        (ScanOrder("A"), "refused", "Extra scan: refused – busy"),
        (ScanOrder("A", "manual", "s1", True), "sent", "Suggested scan: sent to the engine"),
        (ScanOrder("A", "manual", "s1", False), "sent", "Suggested scan declined"),
        (ScanOrder("A", "manual", "s1", False), "refused", "Suggested scan declined: refused – b"),
    ],
)
def test_what_was_ordered_is_named(qtbot, order, status, text):
    panel = AcquisitionPanel()
    qtbot.addWidget(panel)
    told = made.snapshot({"A": made.cell(made.scan(0))})
    orders = (Order("A", status, "busy" if status == "refused" else "", 1, order),)
    panel.draw(Snapshot(linked=True, state=told.state, orders=orders), Choice("A"))
    assert panel.outcome.text().startswith(text)
    assert ("handed" in panel.outcome.text()) == ("handed" in text)


def test_a_trend_without_an_engine_says_what_it_waits_for(qtbot):
    view = TrendView()
    qtbot.addWidget(view)
    view.draw(Snapshot(address="tcp://127.0.0.1:5611"), Choice())
    assert view.rows.why_empty.text == "Waiting for the engine at tcp://127.0.0.1:5611"
    view.queue.finish()
