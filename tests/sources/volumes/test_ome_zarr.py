"""OME-Zarr as zarr itself and our own export write it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from monitor.errors import SourceError
from monitor.sources.volumes.volume import Volume, open_volumes
from tests.sources.volume_files import noise

DATA = noise()


def image(axes: str = "zyx", unit: str = "micrometer", scale: float = 0.65) -> dict[str, Any]:
    """What OME-NGFF says of an image with one level."""
    scaled = [{"type": "scale", "scale": [scale] * 3}]
    return {
        "axes": [{"name": axis, "type": "space", "unit": unit} for axis in axes],
        "datasets": [{"path": "0", "coordinateTransformations": scaled}],
    }


def write(path: Path, described: dict[str, Any], version: int = 3, **options: Any) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=version)
    if version == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [described]}
    else:
        group.attrs["multiscales"] = [described]
    array = group.create_array("0", shape=DATA.shape, dtype=DATA.dtype, **options)
    array[:] = DATA
    return path


def only(path: Path) -> Volume:
    (volume,) = open_volumes([path])
    return volume


@pytest.mark.parametrize(
    ("version", "options"),
    [
        (3, {"chunks": (4, 8, 8)}),
        (3, {"chunks": (2, 8, 8), "shards": (4, 16, 16)}),
        (2, {"chunks": (1, 16, 20)}),
    ],
)
def test_volumes_are_read_as_zarr_writes_them(
    version: int, options: dict[str, Any], tmp_path: Path
) -> None:
    volume = only(write(tmp_path / "rec.zarr", image(), version, **options))
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert volume.voxel_size_um == pytest.approx((0.65,) * 3)


@pytest.mark.parametrize(
    ("unit", "scale", "side"),
    [("nanometer", 650.0, 0.65), ("meter", 6.5e-7, 0.65), ("meter", 0.65, 0.65), ("", 0.65, None)],
)
def test_voxel_sizes_in_every_unit(
    unit: str, scale: float, side: float | None, tmp_path: Path
) -> None:
    """nabu names metres for micrometres."""
    volume = only(write(tmp_path / "rec.zarr", image(unit=unit, scale=scale), chunks=(4, 8, 8)))
    assert volume.voxel_size_um == (side and pytest.approx((side,) * 3))


def test_a_chunk_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.zarr", image(), chunks=(4, 8, 8))
    (path / "0" / "c" / "1" / "0" / "2").unlink()
    with pytest.raises(SourceError, match=r"0/c/1/0/2 is missing: slice 4 was never written"):
        open_volumes([path])


def test_another_order_of_axes_and_broken_descriptions_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "xyz.zarr", image("xyz"), chunks=(4, 8, 8))
    with pytest.raises(SourceError, match="expected one volume"):
        open_volumes([path])
    path = write(tmp_path / "rec.zarr", image(), chunks=(4, 8, 8))
    shutil.rmtree(path / "0")
    with pytest.raises(SourceError, match="cannot be read as OME-Zarr"):
        open_volumes([path])
