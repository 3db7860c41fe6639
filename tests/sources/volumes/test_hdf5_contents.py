"""Which dataset of a file of other programs is its volume, and what is said of the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.sources.volumes.volume import Volume, open_volumes
from tests.sources.volume_files import SHAPE, noise

DATA = noise()
OTHER = noise(seed=2)
NABU = "entry0000/reconstruction/results/data"
Write = Callable[[h5py.File], None]


def opened(folder: Path, write: Write, dataset: str = "") -> Volume:
    with h5py.File(folder / "scan.h5", "w") as file:
        write(file)
    (volume,) = open_volumes([f"{folder / 'scan.h5'}{dataset}"])
    return volume


def read(volume: Volume) -> Any:
    return np.stack(list(volume.slices()))


def plotted(file: h5py.File, default: str = "b", signal: Any = "data") -> None:
    """NXdata beside others, as the plot of the file."""
    file["b/data"], file["b/errors"], file["a/data"] = DATA, OTHER, OTHER
    file.attrs["default"], file["b"].attrs["signal"] = default, signal


def plotted_far_down(file: h5py.File) -> None:
    """As nabu writes it: absolute names."""
    file["entry/process/volume/data"], file["entry/process/volume/mask"] = DATA, OTHER
    file.attrs["default"], file["entry"].attrs["default"] = "entry", "/entry/process/volume"
    file["entry/process/volume"].attrs["signal"] = b"data"


def plotted_by_arrays_of_one_name(file: h5py.File) -> None:
    """As DAWN writes them."""
    plotted(file)
    file.attrs["default"] = np.array(["b"], h5py.string_dtype())
    file["b"].attrs["signal"] = np.array([b"data"])


def plotted_by_a_link(file: h5py.File) -> None:
    file["raw/a"], file["raw/b"] = OTHER, DATA
    file["plot/data"] = h5py.SoftLink("/raw/b")
    file.attrs["default"], file["plot"].attrs["signal"] = "plot", "data"


def plotted_in_another_file(file: h5py.File) -> None:
    with h5py.File(Path(file.filename).with_name("far.h5"), "w") as far:
        far["volume"] = DATA
    file["thumbnails"], file["plot/data"] = OTHER[:3], h5py.ExternalLink("far.h5", "/volume")
    file.attrs["default"], file["plot"].attrs["signal"] = "plot", "data"


@pytest.mark.parametrize(
    "write",
    [
        plotted,
        plotted_far_down,
        plotted_by_arrays_of_one_name,
        plotted_by_a_link,
        plotted_in_another_file,
    ],
)
def test_of_several_the_default_of_nexus_is_read(write: Write, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(opened(tmp_path, write)), DATA)


@pytest.mark.parametrize(
    ("default", "signal"),
    [("gone", "data"), ("b", "gone"), ("b", 1), ("b", []), ("", "data"), ("/", "")],
)
def test_a_default_that_names_nothing_decides_nothing(
    default: str, signal: Any, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="holds 3 3-D datasets"):
        opened(tmp_path, lambda file: plotted(file, default, signal))


def nabus_link(file: h5py.File) -> None:
    file[NABU] = h5py.ExternalLink("gone.h5", "/volume")


def default_link(file: h5py.File) -> None:
    file["plot/data"] = h5py.ExternalLink("gone.h5", "/volume")
    file.attrs["default"], file["plot"].attrs["signal"] = "plot", "data"


def default_group_link(file: h5py.File) -> None:
    file["plot"] = h5py.ExternalLink("gone.h5", "/volume")
    file.attrs["default"] = "plot"


@pytest.mark.parametrize("link", [nabus_link, default_link, default_group_link])
def test_another_dataset_does_not_stand_in_for_the_volume_that_a_link_has_lost(
    link: Write, tmp_path: Path
) -> None:
    def write(file: h5py.File) -> None:
        link(file)
        file["thumbnails"] = OTHER[:3]

    with pytest.raises(SourceError, match=r"points to gone\.h5::/volume, which cannot be opened"):
        opened(tmp_path, write)
    assert opened(tmp_path, write, "::thumbnails").shape == (3, *SHAPE[1:])


def test_other_links_that_are_lost_do_no_harm(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file["volume"], file["raw"] = DATA, h5py.ExternalLink("gone.h5", "/images")

    np.testing.assert_array_equal(read(opened(tmp_path, write)), DATA)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (DATA[None], r"/data is \(1, 12, 16, 20\) uint16"),
        (DATA.astype("c8"), r"/data is \(12, 16, 20\) complex64"),
        (DATA[0], r"/data is \(16, 20\) uint16"),
    ],
)
def test_what_is_no_volume_is_described(data: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"contains no 3-D dataset of numbers \({said}\)"):
        opened(tmp_path, lambda file: file.__setitem__("data", data))


@pytest.mark.parametrize("channels", [3, 4])
def test_an_image_in_colours_is_no_volume(channels: int, tmp_path: Path) -> None:
    image = np.zeros((20, 30, channels), np.uint8)
    with pytest.raises(SourceError, match="looks like a colour image"):
        opened(tmp_path, lambda file: file.__setitem__("data", image))
    np.save(tmp_path / "image.npy", image)
    with pytest.raises(SourceError, match="looks like a colour image"):
        open_volumes([tmp_path / "image.npy"])


@pytest.mark.parametrize("where", ["attribute", "NXdata"])
def test_a_scale_of_its_grey_levels_is_reported(where: str, tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file["entry/data"] = DATA
        if where == "attribute":
            file["entry/data"].attrs["scale_factor"] = 0.5
        else:
            file["entry/scaling_factor"] = 0.5

    volume = opened(tmp_path, write)
    np.testing.assert_array_equal(read(volume), DATA)
    assert "grey levels are used as they are stored" in volume.notes[0]


def test_the_voxel_size_of_any_process_of_tomoscan(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file["entry/reco/results/data"] = DATA
        options = file.create_group("entry/reco/configuration/processing_options/reconstruction")
        options["voxel_size_cm"] = [6.5e-5] * 3

    assert opened(tmp_path, write).voxel_size_um == pytest.approx((0.65,) * 3)


WRITER = """
import sys
import h5py
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    data = file.create_dataset("data", data=[[[1, 2], [3, 4]]], chunks=(1, 2, 2))
    file.flush()
    if sys.argv[2] == "swmr":
        file.swmr_mode = True
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["locked", "swmr"])
def test_a_file_that_another_program_is_writing_is_named_as_such(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.h5"
    command = [sys.executable, "-c", WRITER, str(path), mode]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(SourceError, match=r"another program is writing it; .*h5clear -s"):
            open_volumes([path])
    assert open_volumes([path])[0].shape == (1, 2, 2)
