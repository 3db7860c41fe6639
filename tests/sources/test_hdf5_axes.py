"""Axes that a file names: another order is read as (z, y, x), what is no volume is refused."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.sources.volumes.volume import open_volumes
from tests.sources.volume_files import noise

DATA = noise()


def write(path: Path, order: str, how: str, chunks: Any = None) -> None:
    names = [f"{letter}" for letter in order]
    data = DATA.transpose(["zyx".index(letter) for letter in order])
    with h5py.File(path, "w") as file:
        group = file.create_group("entry")
        stored = group.create_dataset("data", data=data, chunks=chunks)
        if how == "NXdata":
            group.attrs["signal"], group.attrs["axes"] = "data", names
        elif how == "dataset":
            stored.attrs["axes"] = ":".join(names)
        else:
            for axis, name in enumerate(names):
                stored.dims[axis].label = f"{name} (µm)"


@pytest.mark.parametrize("how", ["NXdata", "dataset", "labels"])
@pytest.mark.parametrize("order", ["".join(order) for order in permutations("zyx")])
@pytest.mark.parametrize("chunks", [None, (3, 4, 5)])
def test_another_order_is_read_as_z_y_x(order: str, how: str, chunks: Any, tmp_path: Path) -> None:
    write(tmp_path / "volume.h5", order, how, chunks)
    (volume,) = open_volumes([tmp_path / "volume.h5"])
    assert volume.shape == DATA.shape
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert bool(volume.notes) == (order != "zyx")
    for note in volume.notes:
        assert f"its axes are ({', '.join(order)}): read as (z, y, x)" in note


@pytest.mark.parametrize("prefix", ["axis_", "sample_", "dim", "z_", ""])
def test_axes_may_have_a_word_before_their_letter(prefix: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/data"] = DATA.transpose(2, 1, 0)
        file["entry"].attrs["signal"] = "data"
        file["entry"].attrs["axes"] = [f"{prefix}{letter}" for letter in "xyz"]
    (volume,) = open_volumes([tmp_path / "scan.h5"])
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)


@pytest.mark.parametrize("along", [0, 1, 2])
def test_slices_of_savu_are_along_the_axis_that_it_calls_y(along: int, tmp_path: Path) -> None:
    """Savu: (voxel_x, voxel_y, voxel_z), in which the axis of rotation is that of `detector_y`."""
    names = ["voxel_x", "voxel_z"]
    names.insert(along, "voxel_y")
    with h5py.File(tmp_path / "p3_recon.h5", "w") as file:
        file["3-AstraReconCpu-tomo/data"] = np.moveaxis(DATA, 0, along)
        file["3-AstraReconCpu-tomo"].attrs["signal"] = "data"
        file["3-AstraReconCpu-tomo"].attrs["axes"] = names
    (volume,) = open_volumes([tmp_path / "p3_recon.h5"])
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)
    assert all("read as (voxel_y, voxel_x, voxel_z)" in note for note in volume.notes)
    assert len(volume.notes) == (along != 0)


@pytest.mark.parametrize(
    "axes", [["rotation_angle", "y", "x"], ["channel", "y", "x"], ["time", "z", "y"]]
)
def test_what_is_no_volume_is_refused_with_words(axes: list[str], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/data"] = DATA
        file["entry"].attrs["signal"], file["entry"].attrs["axes"] = "data", axes
    with pytest.raises(SourceError, match=rf"axes are \({axes[0]}, .* expected \(z, y, x\)"):
        open_volumes([tmp_path / "scan.h5"])


@pytest.mark.parametrize("axes", [[".", ".", "."], ["frame", "row", "column"], ["z"], "image"])
def test_axes_that_say_nothing_are_passed_over(axes: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/data"] = DATA
        file["entry"].attrs["axes"] = axes
    (volume,) = open_volumes([tmp_path / "scan.h5"])
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)


def test_axes_of_another_signal_do_not_count(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["entry/data"], file["entry/other"] = DATA, DATA[0]
        file["entry"].attrs["signal"], file["entry"].attrs["axes"] = "other", ["x", "y", "z"]
    (volume,) = open_volumes([tmp_path / "scan.h5"])
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)


def nxtomo(file: h5py.File) -> None:
    """As nxtomo writes a scan: the key of each image, and links in `data`."""
    file["entry/instrument/detector/data"] = DATA
    file["entry/instrument/detector/image_key"] = np.zeros(len(DATA), int)
    file["entry/sample/rotation_angle"] = np.linspace(0.0, 180.0, len(DATA))
    file["entry/data/data"] = h5py.SoftLink("/entry/instrument/detector/data")
    file["entry/data/rotation_angle"] = h5py.SoftLink("/entry/sample/rotation_angle")


def dxchange(file: h5py.File) -> None:
    file["exchange/data"] = DATA
    file["exchange/theta"] = np.linspace(0.0, 180.0, len(DATA))


def dxchange_without_angles(file: h5py.File) -> None:
    file["exchange/data"] = DATA
    file["exchange/data_white"], file["exchange/data_dark"] = DATA[:2], DATA[:2]


def linked_nxtomo(file: h5py.File) -> None:
    nxtomo(file)
    file["volume"] = h5py.SoftLink("/entry")


@pytest.mark.parametrize(
    ("write", "name"),
    [(nxtomo, ""), (nxtomo, "::/entry/data/data"), (linked_nxtomo, "::volume/data/data"),
     (dxchange, ""), (dxchange, "::exchange/data"), (dxchange_without_angles, ""),
     (dxchange_without_angles, "::exchange/data")],
)  # fmt: skip
def test_projections_are_refused(write: Any, name: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        write(file)
    with pytest.raises(SourceError, match=r"contains projections .* reconstructed volume"):
        open_volumes([f"{tmp_path / 'scan.h5'}{name}"])


def test_angles_beside_a_volume_do_no_harm(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["exchange/data"] = DATA
        file["exchange/theta"] = np.linspace(0.0, 180.0, 900)
        file["exchange/rotation_angle"] = h5py.SoftLink("/nowhere")
    (volume,) = open_volumes([tmp_path / "scan.h5"])
    assert volume.shape == DATA.shape
