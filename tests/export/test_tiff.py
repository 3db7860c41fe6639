"""Maps as TIFF, read by Pillow and by tifffile's reader of ImageJ's own metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from monitor.quantities.table import MAPS
from tests.export.made_up import SHAPE, UNMEASURED, VOXEL_UM, export, recorded

X_RESOLUTION, Y_RESOLUTION = 282, 283


@pytest.mark.parametrize(
    ("map_name", "folder"),
    [("height", "height_um"), ("cumulative", "cumulative_mA_cm2"), ("pit_labels", "pit_labels")],
)
def test_values_and_voxel_size(recording: Path, tmp_path: Path, map_name: str, folder: str) -> None:
    out = export(recording, "tiff", tmp_path / "out")
    path = out / "A" / folder / "scan_0001.tif"
    wanted = recorded(recording)[1].map(map_name)
    assert wanted is not None
    with Image.open(path) as image:
        values = np.asarray(image)
        per_unit = float(image.tag_v2[X_RESOLUTION]), float(image.tag_v2[Y_RESOLUTION])
    assert values.dtype == np.float32 and values.shape == SHAPE
    np.testing.assert_array_equal(values, wanted.astype(np.float32))
    assert map_name == "pit_labels" or np.isnan(values[UNMEASURED]).all()
    assert per_unit == pytest.approx((1 / VOXEL_UM[2], 1 / VOXEL_UM[1]))
    with tifffile.TiffFile(path) as file:
        told = file.imagej_metadata
    assert told is not None
    assert told["unit"] == "um" and told["Labels"] == folder
    assert told["min"] == pytest.approx(np.nanmin(values))
    assert told["max"] == pytest.approx(np.nanmax(values))
    assert "cell = A\nscan = 1\ntime = 2023-11-14T23:13:20+00:00\n" in told["Info"]


def test_each_map_that_was_made_has_a_folder(recording: Path, tmp_path: Path) -> None:
    out = export(recording, "tiff", tmp_path / "out")
    made = {path.name for path in (out / "A").iterdir()}
    lacking = {"interval", "deposit_front"}
    assert made == {one.column("µm") for one in MAPS.values() if one.name not in lacking} | {
        "pit_labels"
    }


def test_an_unknown_voxel_size_is_one_voxel(in_voxels: Path, tmp_path: Path) -> None:
    out = export(in_voxels, "tiff", tmp_path / "out")
    with tifffile.TiffFile(out / "A" / "height_voxel" / "scan_0000.tif") as file:
        assert file.imagej_metadata is not None and file.imagej_metadata["unit"] == "voxel"
        assert file.pages[0].tags[X_RESOLUTION].value == (1, 1)
