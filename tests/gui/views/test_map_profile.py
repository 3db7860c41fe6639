"""The profile: values along the line that is drawn on the map."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from monitor.gui.state.snapshot import Answer, Choice, Snapshot
from monitor.gui.views.map_profile import NO_LINE, ProfileView, colour_of
from monitor.gui.widgets import theme
from monitor.wire.results.queries import ProfileRequest
from tests.gui import made

LINE = ((1.0, 2.0), (50.0, 90.0))


@pytest.fixture(autouse=True)
def look(qapp):
    theme.apply(qapp)


def profile(scan, values, **more):
    header = {"type": "profile", "cell": "A", "scan": scan, "name": "height", "units": "µm",
              "length_unit": "µm", "length": 100.0, "minus": None}  # fmt: skip
    request = ProfileRequest("A", scan, "height", *LINE)
    return Answer(request, header | more, np.array(values, np.float32))


def cells():
    return {"A": made.cell(*[made.scan(n) for n in range(7)])}


THREE = {
    "profile": profile(6, [115.0, np.nan, 90.0, 100.0, 114.0]),
    "profile_reference": profile(0, [120.0] * 3),
    "profile_pinned": profile(3, [118.0] * 5),
}


@pytest.fixture
def draw(qtbot):
    view = ProfileView()
    qtbot.addWidget(view)
    view.resize(700, 500)

    def shown(answers, choice=None):
        view.draw(made.snapshot(cells(), answers), choice or Choice("A", line=LINE))
        view.show()
        return view

    return shown


def test_values_are_drawn_against_the_distance(draw):
    view = draw(THREE)
    x, y = view.curves["profile"].getData()
    assert list(x) == [0, 25, 50, 75, 100]
    np.testing.assert_array_equal(y, [115, np.nan, 90, 100, 114])
    assert list(view.curves["profile_reference"].getData()[0]) == [0, 50, 100]
    assert view.plot.getAxis("bottom").labelText == "along the line / µm"
    assert view.plot.getAxis("left").labelText == "height / µm"
    assert view.message._text == ""


def test_ends_length_and_greatest_difference_are_told(draw):
    view = draw(THREE)
    told = "115.00 → 114.00 µm · 100.0 µm long · max. difference 25.00 µm"
    assert view.facts.text() == told
    assert view.caption.text() == "height of scan 6"


def test_the_key_names_the_scans_that_are_there(draw):
    view = draw(THREE)
    assert all(t in view.key.text() for t in ("scan 6", "reference, scan 0", "pinned, scan 3"))
    assert colour_of("profile") in view.key.text()
    view = draw({"profile": THREE["profile"]})
    assert "reference" not in view.key.text()
    x, _ = view.curves["profile_pinned"].getData()
    assert x is None or not len(x)


def test_under_the_mouse_the_values_are_told(draw):
    view = draw(THREE)
    place = view.plot.vb.mapViewToScene(QPointF(52.0, 100.0))
    view._pointed(place)
    assert "scan 6: 90.00" in view.key.text()
    assert "scan 0: 120.00" in view.key.text()
    assert view.here.isVisible()
    view._pointed(view.plot.vb.mapViewToScene(QPointF(26.0, 100.0)))
    assert "scan 6: –" in view.key.text()
    view._pointed(QPointF(-50.0, -50.0))
    assert ":" not in view.key.text().replace("color:", "")
    assert not view.here.isVisible()


@pytest.mark.parametrize(
    ("answers", "choice", "expected"),
    [
        ({}, Choice("A"), NO_LINE),
        (THREE, Choice("A"), NO_LINE),
        ({}, Choice("B", line=LINE), "before the first map"),
        ({}, Choice("A", line=LINE), "Fetching the profile of scan 6"),
        ({}, Choice("A", line=LINE, scan=6, map="absolute"), "no absolute current density"),
        (
            {"profile": profile(6, [np.nan, np.nan])},
            Choice("A", line=LINE),
            "Nothing is measurable along the line",
        ),
        (
            {"profile": Answer(ProfileRequest("A", 6, "height", *LINE),
                               {"type": "error", "why": "has left memory"}, None)},
            Choice("A", line=LINE),
            "has left memory",
        ),
    ],
)  # fmt: skip
def test_an_empty_plot_says_why(draw, answers, choice, expected):
    view = draw(answers, choice)
    assert expected in view.message._text
    for curve in view.curves.values():
        x, _ = curve.getData()
        assert x is None or not len(x)


def test_a_difference_says_so(draw):
    view = draw({"profile": profile(6, [1.0, 2.0], minus=3)})
    assert view.caption.text() == "height of scan 6 minus scan 3"
    assert view.plot.getAxis("left").labelText == "Δ height / µm"


def test_a_line_of_no_length_is_drawn_all_the_same(draw):
    view = draw({"profile": profile(6, [1.0, 1.0], length=0.0)})
    assert "0.0 µm long" in view.facts.text()


def test_nothing_is_drawn_again_where_nothing_changed(draw, monkeypatch):
    view = draw(THREE)
    drawn = []
    monkeypatch.setattr(view.curves["profile"], "setData", lambda *a, **k: drawn.append(a))
    draw(THREE)
    assert drawn == []
    draw({"profile": THREE["profile"]})
    assert len(drawn) == 1


def test_before_anything_came_and_in_another_look_it_can_be_drawn(draw, qapp):
    view = draw(THREE)
    dark = colour_of("profile")
    theme.apply(qapp, "light", 1.5)
    view.restyle()
    assert colour_of("profile") != dark
    assert colour_of("profile") in view.key.text()
    view.draw(Snapshot(), Choice())
    assert view.message._text == NO_LINE
