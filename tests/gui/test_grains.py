"""Grain boundaries on the map: shown where a picture of them is set, with what they say."""

import numpy as np
from matplotlib.image import imsave
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from monitor.gui.state.snapshot import Answer, Choice
from monitor.gui.views.map.overlay import GRAINS
from monitor.gui.views.registry import queries
from monitor.gui.wording import map_captions
from monitor.wire.results.queries import MapRequest
from tests.gui import made
from tests.gui.synthetic import Cell

SIDE_UM = (120 * 0.717, 160 * 0.717)


def table(folder):
    """Lines along x every 20 µm, 1 µm a pixel, over the left half of the map."""
    image = np.zeros((round(SIDE_UM[0]), round(SIDE_UM[1] / 2)))
    image[::20] = 1.0
    imsave(folder / "grains.png", image, cmap="gray")
    marks = [[0, 0, 0, 0], [40, 0, 40, 0], [0, 40, 0, 40]]
    asked = {"image": str(folder / "grains.png"), "landmarks": marks}
    return {"cells": [{"name": "A", "boundaries": asked}, {"name": "B"}]}


def test_a_key_shows_them_and_how_near_the_pits_are(bench, screen, qtbot, tmp_path):
    here = bench(Cell("A"), Cell("B"), table=table(tmp_path))
    here.scans("A", 3)
    here.scans("B", 1)
    window = screen(here.publisher, "A")
    view = window.views["map"]
    qtbot.waitUntil(lambda: view.image.isVisible(), timeout=10_000)
    assert view.controls.switches["grains"].isVisible()
    assert not view.grains.lines.isVisible()
    QTest.keyClick(window, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: view.grains.lines.isVisible(), timeout=10_000)
    assert "pits to grains" in view.readout.text()
    drawn = view.grains.lines.image
    assert (drawn[0, : drawn.shape[1] // 3] == GRAINS[2]).all(), "a line along the first row"
    assert (drawn[:, -1] == GRAINS[0]).all(), "where the picture does not reach"
    window.selection.choose(cell="B")
    qtbot.waitUntil(lambda: not view.grains.lines.isVisible(), timeout=10_000)
    assert not view.controls.switches["grains"].isVisible()
    window.selection.choose(cell="A")
    qtbot.waitUntil(lambda: view.grains.lines.isVisible(), timeout=10_000)
    QTest.keyClick(window, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: not view.grains.lines.isVisible(), timeout=10_000)
    assert "grains" not in view.readout.text()


def test_they_are_asked_for_only_where_they_are_wanted_and_there():
    def asked(choice, **more):
        cells = {"A": made.cell(made.scan(0), made.scan(1), **more)}
        return queries(made.snapshot(cells), choice, {"map": (64, 128)})

    assert "map_grains" not in asked(Choice("A"), grain_boundaries=True)
    assert "map_grains" not in asked(Choice("A", grains=True), grain_boundaries=False)
    assert "map_grains" not in asked(Choice("A", grains=True)), "an older engine does not tell"
    found = asked(Choice("A", grains=True, window=(1, 9, 2, 8)), grain_boundaries=True)
    request = found["map_grains"].request
    assert (request.name, request.window, request.shape) == ("grain_boundaries", (1, 9, 2, 8),
                                                             (64, 128))  # fmt: skip


def test_words():
    def words(**header):
        return map_captions.grains_text(
            Answer(MapRequest("A", 1, "grain_boundaries"), header, None)
        )

    assert map_captions.grains_text(None) == ""
    assert words(type="error", why="no picture") == "no picture"
    assert "no pits" in words(attraction=None)
    found = {"mean_um": 3.21, "random_mean_um": 9.87, "p_value": 0.001}
    text = words(attraction=found)
    assert text == "pits to grains 3.2 µm, chance 9.9, p 0.001"
