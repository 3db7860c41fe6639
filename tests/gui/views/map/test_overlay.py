"""Pit outlines: by birth, the chosen one and its relatives apart."""

import numpy as np
import pytest

from monitor.gui.state.snapshot import Choice, rims
from monitor.gui.views.map.overlay import (
    CHOSEN,
    NEWEST,
    OLDEST,
    RELATED,
    PitOverlay,
    colours_of,
    thickened,
)
from monitor.gui.widgets.plot import Plot
from tests.gui import made

RIMS = np.array([[0, 1, 2], [3, 4, 0]], np.int32)
COLUMNS = {"id": [1, 2, 3, 4], "first_scan": [1, 5, 3, 1], "parent": [-1, -1, 4, -1]}


def test_rims_are_coloured_by_birth_and_transparent_elsewhere():
    image = colours_of(RIMS, COLUMNS, scan=5, chosen=None)
    assert tuple(image[0, 1, :3]) == OLDEST
    assert tuple(image[0, 2, :3]) == NEWEST
    halfway = image[1, 0, :3].astype(float)
    np.testing.assert_allclose(halfway, (np.array(OLDEST) + NEWEST) / 2, atol=1)
    assert image[0, 0, 3] == image[1, 2, 3] == 0


def test_the_chosen_pit_and_its_relatives_stand_out():
    image = colours_of(RIMS, COLUMNS, scan=5, chosen=4)
    assert tuple(image[1, 1]) == CHOSEN
    assert tuple(image[1, 0]) == RELATED
    assert tuple(image[0, 1, :3]) == OLDEST


def test_the_chosen_rim_is_thick_inside_of_its_pit_only():
    labels = np.zeros((9, 9), np.int32)
    labels[1:8, 1:8] = 3
    labels[1:8, 7] = 5
    thick = thickened(labels, rims(labels), 3)
    assert (labels[thick] == 3).all()
    assert not thick[3:6, 3:5].any()
    assert thick[2, 2:6].all() and thick[1, 1:7].all()


def test_pits_that_the_table_does_not_have_yet_are_seen_all_the_same():
    image = colours_of(RIMS, {}, scan=5, chosen=9)
    assert (image[RIMS > 0, 3] > 0).all()


@pytest.mark.parametrize(("chosen", "numbered"), [(None, {"2"}), (4, {"2", "4"}), (2, {"2"})])
def test_the_deepest_and_the_chosen_pit_have_their_numbers_however_small_they_are(
    qtbot, chosen, numbered
):
    shown = Plot()
    qtbot.addWidget(shown)
    shown.show()
    plot, overlay = shown.plot, PitOverlay(shown.plot)
    columns = COLUMNS | {
        "x_um": [1.0] * 4, "y_um": [1.0] * 4, "diameter_um": [1e-3] * 4,
        "depth_max_um": [3.0, 9.0, None, 1.0],
    }  # fmt: skip
    plot.setRange(xRange=(0, 2), yRange=(0, 2), padding=0)
    labels = made.map_answer("A", 5, "pit_labels", RIMS, window=(0, 2, 0, 3))
    labels = type(labels)(labels.request, labels.header, RIMS, rims=RIMS)
    pits = type(labels)(labels.request, {"columns": columns}, None)
    overlay.draw(labels, pits, made.scan(5), Choice("A", pit=chosen))
    assert {n.toPlainText() for n in overlay._numbers if n.isVisible()} == numbered
