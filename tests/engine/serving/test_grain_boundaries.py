"""Grain boundaries as a screen asks for them: lines that were drawn, pits that were put beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.engine.serving import grain_boundaries
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.grain_boundaries import NAME, Boundaries, thinned
from monitor.engine.serving.state import Store
from monitor.errors import BadMessage
from monitor.records import Pit
from monitor.settings import Settings, parse
from monitor.wire.results.queries import MapRequest
from monitor.wire.results.replies import decode_reply
from tests.recording.synthetic import NX, NY, Scene, result
from tests.report.made_up import summary
from tests.report.test_boundaries import EVERY_UM, PIXEL_UM, picture, pits

MARKS = [[20, 20, 0, 0], [20, 120, 100, 0], [220, 20, 0, 200], [120, 120, 100, 100]]


def made(folder: Path, **changes: object) -> Settings:
    asked = {"image": str(picture(folder)), "landmarks": MARKS} | changes
    return parse({"cells": [{"name": "A", "boundaries": asked}, {"name": "B"}]})


def told(settings: Settings, found: tuple[Pit, ...], voxel_um: float | None = PIXEL_UM) -> Store:
    """A reference scan and one with these pits, of both cells."""
    store = Store(settings, None, "live")
    look = Scene(voxel_um=voxel_um)
    for cell in ("A", "B"):
        for scan, charge in enumerate((0.0, 1.0)):
            start = look.start(scan, 1.6e9 + scan * 3600, "periodic", cell, 0)
            facts = summary(1 if scan else None, charge, "discharge" if scan else "rest", look)
            whole = result(start, look.removal(charge), **facts)
            if not scan:
                whole = replace(whole, pits=(), pit_labels=np.zeros((NY, NX), np.int32))
            whole = replace(whole, pits=found if scan else ())
            store.update([whole], EngineState())
    return store


def asked(settings: Settings, store: Store, **more: object):
    request = MapRequest("A", None, NAME, **more)  # type: ignore[arg-type]
    return decode_reply(Boundaries(settings, store).reply(request))


def test_lines_lie_where_they_were_drawn(tmp_path: Path) -> None:
    settings = made(tmp_path)
    header, values = asked(settings, told(settings, ()))
    assert values is not None and values.shape == (NY, NX)
    x = np.arange(NX) * PIXEL_UM
    near = np.abs(x - EVERY_UM * np.round(x / EVERY_UM))
    assert (values[:, near < 0.1] == 1).all()
    assert (values[:, near > PIXEL_UM] == 0).all()
    assert header["attraction"] is None, "there are no pits"
    assert header["landmark_residual_um"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("spread_um", [2.0, 25.0])
def test_the_pits_are_judged_as_in_the_report(tmp_path: Path, spread_um: float) -> None:
    settings = made(tmp_path)
    header, _ = asked(settings, told(settings, pits(np.random.default_rng(0), spread_um)))
    found = header["attraction"]
    assert found["pits"] == 60
    assert found["mean_um"] == pytest.approx(spread_um, abs=0.5 * PIXEL_UM)
    assert found["p_value"] == (0.001 if spread_um < EVERY_UM / 4 else 1.0)


def test_no_line_is_lost_where_the_map_is_thinned(tmp_path: Path) -> None:
    settings = made(tmp_path)
    header, values = asked(settings, told(settings, ()), shape=(NY // 3, NX // 3))
    assert header["step"] >= 3 and values is not None
    lines = int((NX - 1) * PIXEL_UM / EVERY_UM) + 1
    assert (values[0] == 1).sum() == lines
    part, inside = asked(settings, told(settings, ()), window=(0, 4, 1, 9))
    assert part["window"] == [0, 4, 1, 9] and inside is not None and inside.shape == (4, 8)


def test_large_maps_are_judged_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = made(tmp_path)
    store = told(settings, pits(np.random.default_rng(0), 2.0))
    fine, _ = asked(settings, store)
    monkeypatch.setattr(grain_boundaries, "MOST_PIXELS", NX * NY / 4)
    coarse, _ = asked(settings, store)
    assert coarse["attraction"]["mean_um"] == pytest.approx(
        fine["attraction"]["mean_um"], abs=PIXEL_UM
    )
    assert coarse["attraction"]["p_value"] == 0.001


def test_the_largest_of_a_step_is_kept() -> None:
    values = np.array([[0, 1, 0, 0, -1], [0, 0, 0, 0, -1], [-1, -1, 0, 0, 5]], np.int8)
    np.testing.assert_array_equal(thinned(values, 2), [[1, 0, -1], [-1, 0, 5]])
    np.testing.assert_array_equal(thinned(values, 1), values)


WRONG = {
    "no file": ({"image": "/nowhere/at/all.png"}, "check the path"),
    "mixed up": ({"lines": "dark"}, "the minority of the picture"),
    "on one line": ({"landmarks": [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]]}, "on one line"),
    "no pits to shift by": ({"shift_by_scan": 0}, "pits to align the picture with"),
    "no such scan": ({"shift_by_scan": 7}, "does not have scan 7"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_line(what: str, tmp_path: Path) -> None:
    changes, says = WRONG[what]
    settings = made(tmp_path, **changes)
    with pytest.raises(BadMessage) as caught:
        asked(settings, told(settings, ()))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_cell_without_a_picture_and_a_map_without_lengths(tmp_path: Path) -> None:
    settings = made(tmp_path)
    with pytest.raises(BadMessage, match=r"cells\.boundaries"):
        Boundaries(settings, told(settings, ())).reply(MapRequest("B", None, NAME))
    with pytest.raises(BadMessage, match="not square"):
        asked(settings, told(settings, (), voxel_um=None))


def test_the_state_says_which_cells_have_a_picture(tmp_path: Path) -> None:
    settings = made(tmp_path)
    state, _ = decode_reply([told(settings, ()).state(-1, "")])
    assert [state["cells"][name]["grain_boundaries"] for name in "AB"] == [True, False]
