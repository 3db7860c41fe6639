"""The distribution: histograms, the lines over them, and the table of numbers."""

import numpy as np
import pytest

from monitor.gui.state.snapshot import Answer, Choice, Snapshot
from monitor.gui.views.distribution import DistributionView, raised
from monitor.gui.widgets import theme
from monitor.gui.wording.map_values import (
    applied_current,
    bin_width,
    in_short,
    log_ticks,
    measures,
    shares,
)
from monitor.wire.results.queries import StatisticsRequest
from tests.gui import made

WHOLE = {
    "type": "statistics", "cell": "A", "scan": 6, "name": "removal", "units": "µm",
    "length_unit": "µm", "minus": None, "least_errors": 0.0, "provisional": False, "kind": "whole",
    "count": 1000, "share": 0.973, "area": 72_000.0, "mean": 11.5, "mean_error": 0.31,
    "mean_error_why": "", "pits": 97, "sd": 7.59, "median": 7.92, "p5": 4.4, "p95": 25.96,
    "minimum": 2.98, "maximum": 28.0, "edges": [0.0, 10.0, 20.0, 30.0], "counts": [500, 400, 99],
}  # fmt: skip
PART = WHOLE | {
    "kind": "rectangle", "count": 100, "area": 6168.0, "mean": 14.5, "mean_error": None,
    "mean_error_why": "fewer than two tiles of 70×70 pixels lie in the region and are measured",
    "edges": [5.0, 10.0, 15.0, 20.0], "counts": [50, 30, 20], "pits": 8,
}  # fmt: skip
CURRENT = WHOLE | {"name": "cumulative", "units": "mA/cm2", "mean": 0.55}


@pytest.fixture(autouse=True)
def look(qapp):
    theme.apply(qapp)


def answer(header):
    return Answer(StatisticsRequest("A", 6, "removal"), header, None)


def cells(**last):
    return {"A": made.cell(*[made.scan(n, **(last if n == 6 else {})) for n in range(7)])}


@pytest.fixture
def draw(qtbot):
    """draw(answers by name, choice, cells) → the view, shown."""
    view = DistributionView()
    qtbot.addWidget(view)
    view.resize(700, 500)

    def shown(answers, choice=None, about=None):
        told = {name: answer(header) for name, header in answers.items()}
        view.draw(made.snapshot(about or cells(), told), choice or Choice("A", map="removal"))
        view.show()
        return view

    return shown


def test_bars_are_shares_of_the_measured_area(draw):
    view = draw({"distribution": WHOLE})
    x, y = view.whole.getData()
    assert list(x) == [0, 10, 20, 30]
    assert list(y) == pytest.approx([50.0, 40.0, 9.9])
    assert not view.region.isVisible()
    assert view.plot.getAxis("left").labelText == "% of area per 10 µm"
    assert view.plot.getAxis("bottom").labelText == "removal / µm"


def test_a_regions_bars_are_comparable_though_narrower(draw):
    view = draw({"distribution": WHOLE, "region": PART})
    assert view.region.isVisible()
    x, y = view.region.getData()
    assert list(x) == [5, 10, 15, 20]
    assert list(y) == pytest.approx([100.0, 60.0, 40.0])
    (low, high), (bottom, top) = view.plot.vb.viewRange()
    assert low <= 0 and high >= 30 and bottom <= 0 and top >= 100


def test_the_mean_and_the_applied_current_are_lines_with_their_values(draw):
    view = draw({"distribution": CURRENT}, Choice("A", map="cumulative"))
    assert (view.mean.value(), view.applied.value()) == (0.55, 0.55)
    assert view.mean.label.toPlainText() == "mean 0.55"
    assert view.applied.label.toPlainText() == "applied 0.55"
    assert view.applied.isVisible()
    view = draw({"distribution": WHOLE})
    assert view.mean.isVisible()
    assert not view.applied.isVisible()


def test_an_applied_current_beyond_all_values_is_still_seen(draw):
    view = draw({"distribution": CURRENT}, Choice("A", map="cumulative"),
                cells(mean_current_mA_cm2=40.0))  # fmt: skip
    (_, high), _ = view.plot.vb.viewRange()
    assert high >= 40.0


def test_which_current_was_applied_depends_on_the_map():
    about = cells(interval_current_mA_cm2=0.61, current_mA_cm2=0.5)["A"]
    told = {
        name: applied_current(CURRENT | {"name": name}, about)
        for name in ("cumulative", "absolute", "interval", "running", "removal")
    }
    assert told == {"cumulative": 0.55, "absolute": 0.55, "interval": 0.61, "running": 0.5,
                    "removal": None}  # fmt: skip
    assert applied_current(CURRENT | {"name": "interval"}, cells()["A"]) is None
    assert applied_current(CURRENT | {"minus": 3}, about) is None
    assert applied_current(CURRENT, None) is None


def test_the_table_tells_both_columns_with_their_definitions(draw):
    view = draw({"distribution": WHOLE, "region": PART})
    rows = [title.text() for title in view.titles]
    whole, part = ([cell.text() for cell in column] for column in view.cells)
    assert dict(zip(rows, whole, strict=True)) == {
        "mean": "11.50 ± 0.31", "sd": "7.59", "median": "7.92", "P5–P95": "4.40 – 25.96",
        "min–max": "2.98 – 28.00", "measurable": "97.3 %", "area": "0.072 mm²", "pits": "97",
    }  # fmt: skip
    assert (part[0], part[6], part[7]) == ("14.50", "6168 µm²", "8")
    assert "fewer than two tiles" in view.cells[1][0].toolTip()
    assert view.unit.text() == "µm"
    assert view.cells[1][0].isVisible()
    view = draw({"distribution": WHOLE})
    assert not view.cells[1][0].isVisible()


def test_what_is_not_known_is_a_dash():
    told = {row.title: row.value for row in measures({"units": "µm"})}
    assert set(told.values()) == {"–"}
    assert measures(WHOLE | {"length_unit": "voxel"})[6].value == "72000 voxel²"
    assert in_short(WHOLE).startswith("mean 11.50 ± 0.31, sd 7.59, median 7.92")


def test_logarithmic_bars_begin_below_the_rarest(draw):
    view = draw({"distribution": WHOLE | {"counts": [900, 0, 1]}})
    view.log.setChecked(True)
    _, y = view.whole.getData()
    assert list(y) == pytest.approx([np.log10(90), -1.3, -1.0])
    assert view.whole.opts["fillLevel"] == pytest.approx(-1.3)
    view.log.setChecked(False)
    assert list(view.whole.getData()[1]) == pytest.approx([90, 0, 0.1])


def test_the_ticks_of_a_logarithmic_axis_are_round():
    assert [text for _, text in log_ticks(-1.3, 1.0)] == [
        "0.1", "0.2", "0.5", "1", "2", "5", "10"
    ]  # fmt: skip
    assert [text for _, text in log_ticks(-2.2, 2.1)] == ["0.01", "0.1", "1", "10", "100"]
    assert raised(np.array([0.0, 10.0]), -3.0).tolist() == [-3.0, 1.0]


def test_shares_of_nothing_are_empty():
    assert bin_width({"edges": []}) is None
    edges, share = shares(WHOLE | {"count": 0}, 1.0)
    assert edges.size == share.size == 0


@pytest.mark.parametrize(
    ("answers", "choice", "expected"),
    [
        ({}, Choice("B"), "before the first map"),
        ({}, Choice("A", map="removal"), "Fetching the distribution of scan 6"),
        ({}, Choice("A", scan=6, map="absolute"), "no absolute current density: it needs"),
        ({"distribution": {"type": "error", "why": "has left memory"}}, Choice("A", map="removal"),
         "has left memory"),
        ({"distribution": WHOLE | {"count": 0, "edges": [], "counts": [], "mean": None}},
         Choice("A", map="removal"), "Nothing is measurable in removal of scan 6"),
    ],
)  # fmt: skip
def test_an_empty_plot_says_why(draw, answers, choice, expected):
    view = draw(answers, choice)
    assert expected in view.message._text
    assert not view.whole.isVisible()
    assert not view.mean.isVisible()


def test_a_region_that_cannot_be_measured_says_why(draw):
    failed = {"type": "error", "why": "the polygon holds no pixel of the map"}
    view = draw({"distribution": WHOLE, "region": failed})
    assert "holds no pixel" in view.lines.text()
    assert not view.region.isVisible()
    view = draw({"distribution": WHOLE})
    assert not view.lines.isVisible()


def test_the_caption_says_what_is_looked_at(draw):
    told = WHOLE | {"minus": 3, "least_errors": 3.0, "provisional": True}
    view = draw({"distribution": told})
    assert view.caption.text() == (
        "removal of scan 6 minus scan 3 · without values below 3 standard errors · provisional"
    )
    assert view.plot.getAxis("bottom").labelText == "Δ removal / µm"


def test_numbers_stand_beside_the_plot_or_below_it(draw, qtbot):
    view = draw({"distribution": WHOLE, "region": PART})
    assert view.table.isVisible()
    assert not view.lines.isVisible()
    view.resize(420, 320)
    qtbot.waitUntil(lambda: view.lines.isVisible())
    assert not view.table.isVisible()
    assert "whole map" in view.lines.text()
    assert "14.50" in view.lines.text()
    view.resize(420, 200)
    qtbot.waitUntil(lambda: not view.lines.isVisible())


def test_nothing_is_drawn_again_where_nothing_changed(qtbot, monkeypatch):
    view = DistributionView()
    qtbot.addWidget(view)
    shown = made.snapshot(cells(), {"distribution": answer(WHOLE)})
    view.draw(shown, Choice("A", map="removal"))
    drawn = []
    monkeypatch.setattr(view.whole, "setData", lambda *a, **k: drawn.append(a))
    view.draw(shown, Choice("A", map="removal"))
    assert drawn == []
    view.draw(made.snapshot(cells(), {"distribution": answer(PART)}), Choice("A", map="removal"))
    assert len(drawn) == 1


def test_before_anything_came_and_in_another_look_it_can_be_drawn(qtbot, qapp):
    view = DistributionView()
    qtbot.addWidget(view)
    view.draw(Snapshot(), Choice())
    view.draw(made.snapshot(cells(), {"distribution": answer(WHOLE)}), Choice("A", map="removal"))
    before = view.whole.opts["pen"].color()
    theme.apply(qapp, "light", 1.5)
    view.restyle()
    assert view.whole.opts["pen"].color() != before
    assert list(view.whole.getData()[1]) == pytest.approx([50.0, 40.0, 9.9])
