"""OME-Zarr: checked by yaozarrs, which knows the specification, and read by TensorStore."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorstore
import yaozarrs

from monitor.export import ome_zarr
from tests.export.made_up import SHAPE, UNMEASURED, VOXEL_UM, export, recorded


def pixels(path: Path) -> Any:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / "0")}}
    return tensorstore.open(spec).result().read().result()


def test_axes_scale_and_values(recording: Path, tmp_path: Path) -> None:
    path = export(recording, "zarr", tmp_path / "out") / "A.ome.zarr"
    yaozarrs.validate_zarr_store(path)
    image = yaozarrs.open_group(path).ome_metadata()
    (scales,) = image.multiscales
    assert image.version == "0.5"
    axes = [(axis.name, axis.type, getattr(axis, "unit", None)) for axis in scales.axes]
    assert axes == [
        ("t", "time", None),
        ("c", "channel", None),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    assert scales.datasets[0].scale_transform.scale == [1.0, 1.0, VOXEL_UM[1], VOXEL_UM[2]]
    labels = [channel.label for channel in image.omero.channels]
    values = pixels(path)
    assert values.dtype == np.float32 and values.shape == (3, len(labels), *SHAPE)
    scans = recorded(recording)
    for name, label in (("height", "height_um"), ("cumulative", "cumulative_mA_cm2")):
        stack, channel = values[:, labels.index(label)], image.omero.channels[labels.index(label)]
        np.testing.assert_array_equal(stack, np.stack([scan.map(name) for scan in scans]))
        assert np.isnan(stack[:, *UNMEASURED]).all()
        assert channel.window.min == np.nanmin(stack) and channel.window.max == np.nanmax(stack)


def test_scans_have_their_numbers_times_and_units(recording: Path, tmp_path: Path) -> None:
    path = export(recording, "zarr", tmp_path / "out", scans="1-2") / "A.ome.zarr"
    about = yaozarrs.open_group(path).attrs["pitwatch"]
    assert about["scans"] == [1, 2]
    assert about["times"] == ["2023-11-14T23:13:20+00:00", "2023-11-15T00:13:20+00:00"]
    assert about["units"]["height_um"] == "µm"
    assert about["units"]["running_mA_cm2"] == "mA/cm2"


def test_an_unknown_voxel_size_has_no_unit(in_voxels: Path, tmp_path: Path) -> None:
    out = export(in_voxels, "zarr", tmp_path / "out")
    (scales,) = yaozarrs.open_group(out / "A.ome.zarr").ome_metadata().multiscales
    assert scales.axes[3].unit is None
    assert scales.datasets[0].scale_transform.scale == [1.0] * 4


def test_images_of_two_shapes_have_the_name_of_no_other_cell() -> None:
    def cell(name: str, *sizes: int) -> Any:
        scans = [
            SimpleNamespace(
                result=SimpleNamespace(start=SimpleNamespace(volume_shape=(1, n, n)), maps="maps"),
                voxel_size=(1.0, 1.0, 1.0),
                length_unit="µm",
            )
            for n in sizes
        ]
        return SimpleNamespace(name=name, scans=scans)

    made = ome_zarr.outputs([cell("A", 8, 9, 8, 7), cell("A-2", 8, 9)])
    assert [str(one.path).removesuffix(".ome.zarr") for one in made] == [
        "A", "A-3", "A-4", "A-2", "A-2-2",
    ]  # fmt: skip
