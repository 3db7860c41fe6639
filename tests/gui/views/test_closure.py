"""The closure view: thickness from the surface against thickness from the charge."""

import numpy as np
import pytest

from monitor.gui.state.snapshot import Choice
from monitor.gui.views.closure import NOTHING, ClosureView, points_of
from monitor.gui.widgets import theme
from tests.gui import made

BAND = (0.85, 1.15)


@pytest.fixture(autouse=True)
def look(qapp):
    theme.apply(qapp)


def scan(n, coulometry=None, averaged=None, error=0.05):
    if coulometry is None:
        return made.scan(n, closure=None)
    return made.scan(
        n, coulometry_um=coulometry, averaged_um=averaged, averaged_error_um=error,
        closure=averaged / coulometry,
    )  # fmt: skip


SCANS = [scan(0), scan(1, 1.5, 1.6), scan(2, 3.0, 2.9), scan(3, 4.5, 6.0), scan(4)]


@pytest.fixture
def view(qtbot):
    shown = ClosureView()
    qtbot.addWidget(shown)
    shown.resize(500, 400)
    shown.show()
    return shown


def draw(view, scans, choice=None):
    view.draw(made.of_one_cell(scans), choice or Choice("A"))


def test_scans_whose_closure_is_not_known_have_no_point():
    points = points_of(SCANS, BAND)
    assert [point.scan for point in points] == [1, 2, 3]
    assert [point.averaged_um for point in points] == pytest.approx([1.6, 2.9, 6.0])
    assert [point.error_um for point in points] == pytest.approx([0.05] * 3)


@pytest.mark.parametrize(
    ("coulometry", "averaged", "error", "inside"),
    [
        (4.0, 4.0, 0.05, True),
        (4.0, 4.8, 0.05, False),  # 1.2 ± 0.01
        (4.0, 3.2, 0.05, False),
        (4.0, 4.8, 0.5, True),  # 1.2 ± 0.13 may be 1.15
        (0.5, 0.9, 0.01, True),  # not judged below 1 µm
        (-4.0, -4.8, 0.05, False),  # plating
        (-4.0, -4.1, 0.05, True),
    ],
)
def test_a_point_is_outside_as_the_alarm_has_it(coulometry, averaged, error, inside):
    (point,) = points_of([scan(1, coulometry, averaged, error)], BAND)
    assert point.inside is inside


def test_points_stand_where_the_thicknesses_are(view):
    draw(view, SCANS)
    x, y = view.points.getData()
    np.testing.assert_allclose(x, [1.5, 3.0, 4.5])
    np.testing.assert_allclose(y, [1.6, 2.9, 6.0])
    assert not view.message.text
    colours = [spot.brush().color().name() for spot in view.points.points()]
    assert colours == [theme.palette().accent] * 2 + [theme.palette().bad]


def test_both_axes_have_one_range_and_the_line_is_where_both_agree(view):
    draw(view, SCANS)
    ranges = view.plot.viewRange()
    assert ranges[0] == pytest.approx(ranges[1])
    x, y = view.equal.getData()
    np.testing.assert_allclose(x, y)
    for line, limit in zip(view.limits, BAND, strict=True):
        x, y = line.getData()
        np.testing.assert_allclose(y, limit * x)


def test_the_shown_scan_is_told_in_numbers(view):
    draw(view, SCANS, Choice("A", scan=3))
    assert view.caption.text().startswith(
        "scan 3: 1.33 ± 0.01, outside · 6.00 ± 0.05 µm averaged, 4.50"
    )
    assert "outside" in view.caption.text()
    draw(view, SCANS, Choice("A", scan=2))
    assert "outside" not in view.caption.text()
    draw(view, SCANS, Choice("A", scan=0))
    assert view.caption.text() == ""


def test_nothing_yet_is_said(view):
    draw(view, [scan(0)])
    assert view.message.text == NOTHING
    draw(view, SCANS)
    assert not view.message.text
    draw(view, [])
    assert view.message.text == NOTHING and view.points.getData()[0].size == 0


def test_a_click_chooses_the_scan(view, qtbot):
    draw(view, SCANS)
    chosen = []
    view.scan_chosen.connect(chosen.append)
    view.points.sigClicked.emit(view.points, view.points.points()[1:2], None)
    assert chosen == [2]
