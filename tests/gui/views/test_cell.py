"""Numbers of the shown scan: one zero for depths, closure with its causes, what is preliminary."""

import pytest

from monitor.gui.selection import Selection
from monitor.gui.state.snapshot import Choice
from monitor.gui.views.cell import CellPanel
from monitor.gui.views.discharge_table import DischargeTableView
from monitor.gui.views.overview.facts import cell_facts
from monitor.gui.widgets import theme
from monitor.report.table import as_text
from monitor.wire.results.replies import table_rows
from tests.gui import made

WHOLE = {
    "closure": 0.97, "coulometry_um": 12.3, "averaged_um": 11.93, "averaged_error_um": 0.31,
    "complete_um": 10.7, "complete_error_um": 0.4, "pit_depth_max_um": 9.4, "charge_mAh_cm2": 2.54,
    "charge_mAh": 0.5, "forecast_depth_um": 20.5, "forecast_low_um": 18.3,
    "forecast_high_um": 23.4, "collector_low_h": 9.0, "collector_h": 14.0, "registered": True,
    "shift_x_um": 1.2, "shift_y_um": -0.01, "shift_z_um": 0.3, "shift_error_um": 0.2,
    "discharge": 1, "soc": -0.002,
}  # fmt: skip


@pytest.fixture
def panel(qtbot):
    theme.apply(__import__("PySide6.QtWidgets").QtWidgets.QApplication.instance())
    made_panel = CellPanel()
    qtbot.addWidget(made_panel)
    return made_panel


def shown(panel, **changes):
    about = made.cell(made.scan(0), made.scan(7, **WHOLE | changes), clock_offset_s=-2.0,
                      watch={"clock_offset_estimate_s": 3.5})  # fmt: skip
    snapshot = made.snapshot({"A": about}, ages={"slices A": 500.0})
    panel.draw(snapshot, Choice("A"))
    return {key: widget.text() for key, widget in panel.facts.items()}


def test_depth_and_forecast_have_one_zero_or_say_theirs(panel):
    told = shown(panel)
    assert told["deepest"] == "9.4 (20.1) µm"
    assert told["ahead"] == "20.5 (18.3–23.4) µm"
    assert "below the plateau" in panel.facts["deepest"].toolTip()
    for key in ("deepest", "ahead"):
        assert "first surface" in panel.facts[key].toolTip()
    assert shown(panel, complete_um=None)["deepest"] == "9.4 µm"
    assert shown(panel, pit_depth_max_um=None)["deepest"] == "–"


def test_closure_has_its_error_and_its_tip_the_causes_with_their_values(panel):
    told = shown(panel)
    assert told["closure"] == "0.97 ± 0.03 (0.85–1.15)"
    assert told["coulometry"] == "12.3 µm"
    tip = panel.facts["closure"].toolTip()
    for part in ("0.85 to 1.15", "0.1963 cm²", "-2.0 s", "3.5 s", "+1.2, 0.0, +0.3 ± 0.2 µm"):
        assert part in tip
    assert "not known" in _tip_of(panel, registered=False)
    assert theme.palette().warn in shown(panel, closure=0.6)["closure"]


def _tip_of(panel, **changes):
    shown(panel, **changes)
    return panel.facts["closure"].toolTip()


def test_nothing_is_minus_zero(panel):
    told = shown(panel)
    assert told["soc"] == "0 %"
    assert not any("-0.0" in text for text in told.values())


def test_the_state_is_that_of_the_card(panel):
    shown(panel)
    assert "○ IDLE 8 min 20 s" in panel.state.text()


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("preliminary", "readings end at"),
        ("extrapolated", "the current is extrapolated"),
        ("none", "no reading of the cycler covers this scan"),
        ("unknown", "begin only after this scan"),
    ],
)
def test_what_rests_on_a_charge_that_is_not_final_is_marked(panel, qtbot, state, why):
    told = shown(panel, charge_state=state)
    of_charge = ("soc", "charge", "coulometry", "closure", "ahead")
    for key in of_charge:
        assert told[key].startswith("≈ ")
        assert why in panel.facts[key].toolTip()
    for key in ("averaged", "complete", "deepest", "pits"):
        assert "≈" not in told[key]
    about = made.cell(made.scan(7, **WHOLE, charge_state=state))
    facts = {fact.title: fact for fact in cell_facts(made.snapshot({"A": about}), "A").rows}
    assert facts["Closure"].value == "≈ 0.97" and why in facts["Closure"].tip
    assert facts["Deepest"].value == "9.4 µm"
    about["table"] = table_rows([WHOLE | {"charge_state": state, "step": "discharge"}])
    table = DischargeTableView()
    qtbot.addWidget(table)
    table.draw(made.snapshot({"A": about}), Choice("A"))
    assert table.table.item(0, 4).text() == "≈ 12.3" and why in table.table.item(0, 4).toolTip()
    assert table.table.item(0, 5).text() == "11.9 ± 0.3"


@pytest.mark.parametrize("state", [None, "final"])
def test_what_is_final_or_of_before_is_not_marked(panel, state):
    changes = {} if state is None else {"charge_state": state}
    assert not any("≈" in text for text in shown(panel, **changes).values())
    assert "charge_state" not in table_rows([WHOLE | changes])[0]


def test_the_report_marks_and_rounds_as_the_screen_does():
    row = {"averaged_um": 4.0512, "averaged_error_um": 0.03}
    final = as_text("A", {"table": table_rows([WHOLE | row])})
    assert list(final.columns[5].cells) == ["4.05 ± 0.03"]
    assert list(final.columns[4].cells) == ["12.3"] and final.caption is None
    early = as_text("A", {"table": table_rows([WHOLE | {"charge_state": "preliminary"}])})
    assert list(early.columns[4].cells) == ["≈ 12.3"] and "do not cover this scan" in str(
        early.caption
    )


def test_what_changed_in_the_last_hour_and_since_the_operator_looked(panel):
    about = made.cell(*(made.scan(n) for n in range(5)), now=4 * made.PERIOD_S + 600)
    alarm = {"type": "alarm", "cell": "A", "time": about["time"] - 60.0, "text": "noise"}
    snapshot = made.snapshot({"A": about}, events=[alarm, alarm | {"cell": "B"}])
    panel.draw(snapshot, Choice("A"))
    assert panel.facts["hour"].text() == "+6 pits, +3.0 µm, 1 alarm"
    assert not panel.facts["looked"].isVisibleTo(panel)
    panel.draw(snapshot, Choice("A", looked={"A": about["time"] - 1.0}))
    assert panel.facts["looked"].text() == "no new scan"
    panel.draw(snapshot, Choice("A", looked={"A": about["time"] - made.PERIOD_S}))
    assert panel.facts["looked"].text() == "+3 pits, +1.5 µm, 1 alarm"


def test_only_a_window_that_was_away_for_long_counts_changes_from_when_it_was_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("monitor.gui.selection.time.monotonic", lambda: clock[0])
    selection = Selection("A")
    selection.follow(made.of_one_cell([made.scan(0)]))
    left = selection.snapshot.cell("A")["time"]
    for away_s, looked in ((5.0, {}), (3600.0, {"A": left})):
        selection.be_watched(False)
        clock[0] += away_s
        selection.be_watched(True)
        assert selection.choice.looked == looked
