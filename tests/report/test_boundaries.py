"""A picture of grain boundaries on the map of a recording, against distances known beforehand."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from matplotlib.image import imread, imsave

from monitor.cli.output import Messages
from monitor.engine.recorder import Recorder
from monitor.errors import SettingError
from monitor.records import Pit
from monitor.report.build import report
from monitor.sources.pictures import read_picture
from tests.recording.synthetic import NX, NY, Scene, frames_of, result, settings
from tests.report.made_up import summary

PIXEL_UM = 4.0
EVERY_UM = 64.0
"""Grain boundaries are the lines x = 0, 64, 128 … µm."""


def pits(rng: np.random.Generator, spread_um: float, first_scan: int = 1) -> tuple[Pit, ...]:
    """60 pits so far from the lines."""
    lines = rng.integers(1, int(NX * PIXEL_UM / EVERY_UM), 60) * EVERY_UM
    x = lines + spread_um * rng.choice((-1.0, 1.0), 60)
    y = rng.uniform(0.0, (NY - 1) * PIXEL_UM, 60)
    return tuple(
        Pit(n + 1, -1, first_scan, x[n], y[n], 100.0, 11.0, 9.0, 5.0, 99.0, 2.5, 1e-6)
        for n in range(60)
    )


def record(folder: Path, found: tuple[Pit, ...], **scene: Any) -> Path:
    """A recording of a reference scan and one with these pits."""
    recorder = Recorder(settings(folder, "A", record_slices=False))
    look = Scene(voxel_um=scene.get("voxel_um", PIXEL_UM))
    for scan, charge in enumerate((0.0, 1.0)):
        start = look.start(scan, 1.6e9 + scan * 3600, "periodic" if scan else "reference", "A", 0)
        facts = summary(1 if scan else None, charge, "discharge" if scan else "rest", look)
        whole = replace(result(start, look.removal(charge), **facts), pits=found if scan else ())
        recorder.write("slices", frames_of(start), start, (whole,))
    recorder.close()
    return recorder.folder


def picture(folder: Path, name: str = "grains.png", *, dark: bool = False) -> Path:
    """1 µm a pixel, turned by a quarter: rows of the picture run along x of the map, from its edge
    20 µm outside."""
    image = np.zeros((round(NX * PIXEL_UM) + 40, round(NY * PIXEL_UM) + 40))
    image[20 :: round(EVERY_UM)] = 1.0
    image = 1.0 - image if dark else image
    folder.mkdir(exist_ok=True)
    if name.endswith(".tif"):
        tifffile.imwrite(folder / name, (image * 255).astype(np.uint8))
    else:
        imsave(folder / name, image, cmap="gray")
    return folder / name


def asked(folder: Path, more: str = "", name: str = "grains.png") -> Path:
    path = folder / "pictures.toml"
    marks = (
        "[[20, 20, 0.0, 0.0], [20, 120, 100.0, 0.0], [220, 20, 0.0, 200.0], [120, 120, 100, 100]]"
    )
    cell = '[[cells]]\nname = "A"\n[cells.boundaries]\n'
    path.write_text(f'{cell}image = "{name}"\nlandmarks = {marks}\n{more}\n')
    return path


@pytest.mark.parametrize(("spread_um", "name"), [(2.0, "grains.png"), (25.0, "grains.tif")])
def test_distances_are_those_of_the_lines(tmp_path: Path, spread_um: float, name: str) -> None:
    folder = record(tmp_path, pits(np.random.default_rng(0), spread_um))
    picture(tmp_path, name)
    told = report(folder, as_json=True, pictures=asked(tmp_path, name=name))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    found = told["cells"]["A"]["boundaries"]
    assert (found["scan"], found["pits"]) == (1, 60)
    assert found["mean_um"] == pytest.approx(spread_um, abs=0.5 * PIXEL_UM)
    places, lines = np.arange(NX) * PIXEL_UM, np.arange(0.0, NX * PIXEL_UM, EVERY_UM)
    anywhere = np.abs(places[:, None] - lines).min(axis=1).mean()
    assert found["random_mean_um"] == pytest.approx(anywhere)
    assert found["landmark_residual_um"] == pytest.approx(0.0, abs=1e-6)
    near = spread_um < EVERY_UM / 4
    assert found["ratio"] < 0.4 if near else found["ratio"] > 1.3
    assert found["p_value"] == (0.001 if near else 1.0)


@pytest.mark.slow
def test_pits_that_moved_the_picture_are_not_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    old, new = pits(rng, 2.0, first_scan=0), pits(rng, 2.0, first_scan=1)[:40]
    folder = record(tmp_path, (*old, *(replace(pit, id=pit.id + 60) for pit in new)))
    picture(tmp_path)
    told = report(folder, as_json=True, pictures=asked(tmp_path, "shift_by_scan = 0"))
    assert 0 < told["cells"]["A"]["boundaries"]["pits"] <= 40, "some lie beside it now"


@pytest.mark.slow
def test_the_figure_and_the_words(tmp_path: Path) -> None:
    folder = record(tmp_path, pits(np.random.default_rng(0), 2.0))
    picture(tmp_path)
    said = io.StringIO()
    console = Messages(width=200, file=said)
    report(folder, out=tmp_path / "out", console=console, pictures=asked(tmp_path))
    assert "60 pits of scan 1 are" in said.getvalue() and "p = 0.001" in said.getvalue()
    pixels = imread(tmp_path / "out" / "A_grain_boundaries.png")
    assert min(pixels.shape[:2]) > 300 and pixels[..., :3].std() > 0.05


@pytest.mark.slow
def test_what_lacks_is_said(tmp_path: Path) -> None:
    picture(tmp_path)
    bare = record(tmp_path / "bare", ())
    said = io.StringIO()
    report(bare, out=tmp_path, console=Messages(width=200, file=said), pictures=asked(tmp_path))
    assert "A grain_boundaries: not drawn: scan 1 has no pit" in said.getvalue()
    some = record(tmp_path / "some", pits(np.random.default_rng(0), 2.0))
    said, pictures = io.StringIO(), asked(tmp_path, "shift_by_scan = 9")
    report(some, out=tmp_path, console=Messages(width=200, file=said), pictures=pictures)
    assert "scan 9 has no pits to align the picture with" in said.getvalue()
    voxels = record(tmp_path / "voxels", (), voxel_um=None)
    said = io.StringIO()
    report(voxels, out=tmp_path, console=Messages(width=200, file=said), pictures=asked(tmp_path))
    assert "the voxel size is unknown" in said.getvalue()


@pytest.mark.parametrize(
    ("more", "name", "why"),
    [
        ("", "none.png", "none.png"),
        ('lines = "dark"', "grains.png", "the minority of the picture, not 9"),
        ('lines = "grey"', "grains.png", "'bright' or 'dark'"),
        ("shift_by_scan = -1", "grains.png", "greater than or equal to 0"),
        ("near_um = 0.0", "grains.png", "greater than 0"),
        ("nearby = 0.0", "grains.png", "near_um"),
    ],
)
@pytest.mark.slow
def test_a_wrong_picture_is_one_line(tmp_path: Path, more: str, name: str, why: str) -> None:
    folder = record(tmp_path, pits(np.random.default_rng(0), 2.0))
    picture(tmp_path)
    with pytest.raises(SettingError, match=why) as error:
        report(folder, as_json=True, pictures=asked(tmp_path, more, name))
    assert "\n" not in str(error.value)


def test_landmarks_on_a_line_and_cells_that_are_not_there(tmp_path: Path) -> None:
    folder = record(tmp_path, pits(np.random.default_rng(0), 2.0))
    picture(tmp_path)
    path = asked(tmp_path)
    text = path.read_text()
    path.write_text(
        text.replace("220, 20, 0.0, 200.0", "20, 220, 200.0, 0.0").replace(
            "[120, 120, 100, 100]", "[20, 60, 40, 0]"
        )
    )
    with pytest.raises(SettingError, match="on one line"):
        report(folder, as_json=True, pictures=path)
    path.write_text(text.replace('name = "A"', 'name = "B"'))
    with pytest.raises(SettingError, match="none for A"):
        report(folder, as_json=True, pictures=path)


def test_pictures_are_read_whatever_their_kind(tmp_path: Path) -> None:
    bright = read_picture(picture(tmp_path), "bright")
    np.testing.assert_array_equal(bright, read_picture(picture(tmp_path, "b.tif"), "bright"))
    dark = picture(tmp_path, "dark.png", dark=True)
    np.testing.assert_array_equal(bright, read_picture(dark, "dark"))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    np.save(tmp_path / "flat.npy", np.zeros(3))
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 8, 9), np.uint8))
    for name in ("bad.png", "flat.npy", "stack.tif"):
        with pytest.raises(SettingError, match="boundaries"):
            read_picture(tmp_path / name, "bright")
