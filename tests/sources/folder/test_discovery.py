"""Which volumes are found in folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile

from monitor.sources.folder.discovery import Discovery
from monitor.sources.folder.files import Changes

PLANE = np.ones((4, 5), np.uint16)


def names(*folders: Path, pattern: str = "*") -> dict[str, str]:
    """Of the volumes, with what follows them."""
    changes = Changes()
    changes.next_poll()
    found = Discovery(folders, pattern, changes).volumes()
    return {volume.name: type(volume).__name__ for volume in found}


def touch(path: Path, planes: Any = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".h5", ".hdf5"):
        h5py.File(path, "w").close()
    elif planes is not None:
        tifffile.imwrite(path, planes, photometric="minisblack")
    else:
        path.touch()


def fill(folder: Path) -> None:
    touch(folder / "scan_2" / "rec_2" / "rec_2_00000.hdf5")
    touch(folder / "scan_2" / "rec_2" / "rec_2_00100.hdf5")
    touch(folder / "scan_2" / "rec_2.hdf5")
    touch(folder / "scan_2" / "histogram_00000.hdf5")
    touch(folder / "scan_10" / "rec_000000.tiff", PLANE)
    touch(folder / "scan_10" / "rec_000001.tiff", PLANE)
    touch(folder / "scan_10" / "rec_infos.txt")
    touch(folder / "deep_1.tif", np.stack([PLANE, PLANE]))
    touch(folder / "deep_2.tif", np.stack([PLANE, PLANE]))
    touch(folder / "alone_0.tif", PLANE)
    touch(folder / "preview.tif", PLANE)
    touch(folder / "old.vol")
    touch(folder / "old.vol.info")
    touch(folder / "flat.npy")
    touch(folder / "notes.txt")
    touch(folder / ".pitwatch_A.json")


def test_volumes_of_every_format_are_found_in_natural_order(tmp_path: Path) -> None:
    fill(tmp_path)
    assert list(names(tmp_path).items()) == [
        ("deep_1", "TiffPages"),
        ("deep_2", "TiffPages"),
        ("flat", "NpyFile"),
        ("old", "VolFile"),
        ("scan_2/rec_2", "Hdf5Parts"),
        ("scan_10/rec", "Stack"),
    ]


def test_a_pattern_chooses_by_the_name_or_the_whole_path(tmp_path: Path) -> None:
    fill(tmp_path)
    assert list(names(tmp_path, pattern="rec*")) == ["scan_2/rec_2", "scan_10/rec"]
    assert list(names(tmp_path, pattern="scan_1*")) == ["scan_10/rec"]


def test_several_folders_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for root in ("one", "two"):
        touch(tmp_path / root / "rec.npy")
    assert list(names(tmp_path / "one", tmp_path / "two")) == ["one/rec", "two/rec"]


def test_a_stack_in_the_folder_itself_bears_its_name(tmp_path: Path) -> None:
    for index in range(2):
        touch(tmp_path / f"{index:04d}.tif", PLANE)
    assert names(tmp_path) == {tmp_path.name: "Stack"}
