"""Files that are damaged, cut, unlinked and reordered in some hundreds of ways: what cannot be read
whole is an error or a declared hole, never zeros, and never a traceback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from monitor.errors import PitwatchError
from monitor.sources.volumes.volume import open_volumes
from tests.sources.cyclers.eclab.mpt_files import mpt_text
from tests.sources.cyclers.whole import read_cycler
from tests.sources.samples import sample
from tests.sources.volume_files import FORMATS, noise

DATA = noise()
Damage = Callable[[list[Path]], None]
"""Spoils one or several of these files, which are all there is."""


def cut(part: float) -> Damage:
    def damage(files: list[Path]) -> None:
        os.truncate(files[-1], int(part * files[-1].stat().st_size))

    return damage


def blank(part: float, length: int) -> Damage:
    """Zeros in place of some bytes: a block that the disk lost."""

    def damage(files: list[Path]) -> None:
        size = files[0].stat().st_size
        with files[0].open("r+b") as file:
            file.seek(int(part * max(0, size - length)))
            file.write(bytes(min(length, size)))

    return damage


def flip(seed: int, first: int = 0) -> Damage:
    """One byte is another one, in the first 600 of the file or anywhere."""

    def damage(files: list[Path]) -> None:
        rng = np.random.default_rng(seed)
        size = files[-1].stat().st_size
        at = int(rng.integers(0, min(size, 600) if first else size))
        with files[-1].open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ int(rng.integers(1, 256))]))

    return damage


def empty(files: list[Path]) -> None:
    files[len(files) // 2].write_bytes(b"")


def unlink(files: list[Path]) -> None:
    files[len(files) // 2].unlink()


def exchange(files: list[Path]) -> None:
    """The first file is the middle one under its name."""
    shutil.copy(files[len(files) // 2], files[0])


DAMAGES: dict[str, Damage] = {
    **{f"cut {part}": cut(part) for part in (0.1, 0.4, 0.7, 0.97)},
    **{f"blank {part} {size}": blank(part, size) for part in (0, 0.5, 1) for size in (8, 900)},
    **{f"flip {seed}": flip(seed) for seed in range(6)},
    **{f"flip head {seed}": flip(seed, first=1) for seed in range(6)},
    "empty": empty,
    "unlink": unlink,
}


def outcome(path: Path) -> str:
    """`error: …`, `hole`, `right`, or what is wrong."""
    try:
        (volume,) = open_volumes([path])
        planes = list(volume.slices())
    except PitwatchError as error:
        assert "\n" not in str(error)
        return f"error: {error}"
    if volume.shape != DATA.shape or volume.dtype != "uint16":
        return f"a volume {volume.shape} {volume.dtype}"
    there = [plane for plane in planes if plane is not None]
    truth = [DATA[z] for z, plane in enumerate(planes) if plane is not None]
    pairs = zip(there, truth, strict=True)
    zeros = sum(int(((plane == 0) & (right != 0)).sum()) for plane, right in pairs)
    if zeros:
        return f"{zeros} silent zeros"
    return "right" if len(there) == len(planes) else "hole"


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", FORMATS)
def test_whole_files_are_read_whole(name: str, tmp_path: Path) -> None:
    path = FORMATS[name](tmp_path, DATA)
    (volume,) = open_volumes([path])
    np.testing.assert_array_equal(np.stack(list(volume.slices())), DATA)


def overwritten(files: list[Path], before: list[bytes]) -> int:
    """How many bytes are others in files of the same length: without a checksum nobody can see
    that of pixels, so that many may be zeros."""
    count = 0
    for file, old in zip(files, before, strict=True):
        new = file.read_bytes() if file.exists() else b""
        if len(new) == len(old):
            count += sum(a != b for a, b in zip(old, new, strict=True))
    return count


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_whole_is_never_zeros(name: str, tmp_path: Path) -> None:
    tried = 0
    for damage_name, damage in DAMAGES.items():
        folder = tmp_path / damage_name.replace(" ", "_")
        folder.mkdir()
        path = FORMATS[name](folder, DATA)
        files = files_of(folder)
        before = [file.read_bytes() for file in files]
        damage(files)
        found = outcome(path)
        if "zeros" in found and int(found.split()[0]) <= overwritten(files, before):
            assert not any(word in name for word in ("gzip", "fletcher", "zlib", "deflate"))
            continue
        assert found.startswith("error") or found in ("hole", "right"), f"{damage_name}: {found}"
        tried += 1
    assert tried >= 10


def damaged_virtual(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a chain of virtual datasets missing, empty, of another shape, without its
    dataset, or only partly written."""
    for name in ("hdf5 virtual", "hdf5 virtual of virtual", "hdf5 link"):
        for victim in range(len(files_of(_made(folder, name))) - 1):
            for how in ("unlink", "empty", "short", "renamed", "unwritten", "text"):
                made = _made(folder, name)
                top = made / ("scan.h5" if name == "hdf5 link" else "master.h5")
                part = [file for file in files_of(made) if file != top][victim]
                if (part.name, how) == ("master.h5", "short"):
                    continue  # what the link leads to is whole, and has one slice
                part.unlink()
                if how == "empty":
                    h5py.File(part, "w").close()
                elif how == "text":
                    part.write_text("not HDF5")
                elif how != "unlink":
                    with h5py.File(part, "w") as file:
                        if how == "short":
                            file["data"] = DATA[:1]
                        elif how == "renamed":
                            file["other"] = DATA
                        else:
                            file.create_dataset("data", DATA.shape, "u2", chunks=(1, 16, 20))[
                                :2
                            ] = 7
                yield f"{name}, {part.name}, {how}", top


def _made(folder: Path, name: str) -> Path:
    made = folder / f"made{len(list(folder.iterdir()))}"
    made.mkdir()
    FORMATS[name](made, DATA)
    return made


@pytest.mark.parametrize(
    "name", ["hdf5", "hdf5 raw files", "tiff", "tiff imagej", "tiff page by page", "stack"]
)
def test_planes_that_were_never_written_are_holes(name: str, tmp_path: Path) -> None:
    """A writer that was stopped leaves zeros where it made the whole file first."""
    path = FORMATS[name](tmp_path, DATA)
    for plane in DATA[5:8]:
        for file in files_of(tmp_path):
            for order in ("<u2", ">u2"):
                raw = file.read_bytes()
                old = plane.astype(order).tobytes()
                file.write_bytes(raw.replace(old, bytes(len(old))))
    (volume,) = open_volumes([path])
    planes = list(volume.slices())
    assert [z for z, plane in enumerate(planes) if plane is None] == [5, 6, 7]
    np.testing.assert_array_equal(planes[8], DATA[8])


def test_no_part_of_a_virtual_dataset_can_be_missing(tmp_path: Path) -> None:
    tried = 0
    for what, path in damaged_virtual(tmp_path):
        found = outcome(path)
        assert found.startswith("error"), f"{what}: {found}"
        tried += 1
    assert tried >= 60


@pytest.mark.parametrize("kind", ["tiff", "tiff page by page", "tiff zlib", "tiff pillow", "stack"])
def test_reordered_pages_and_files_are_seen(kind: str, tmp_path: Path) -> None:
    path = FORMATS[kind](tmp_path, DATA)
    if kind == "stack":
        files = files_of(tmp_path)
        files[3].rename(files[3].with_name("rec_00099.tiff"))
        assert outcome(path).startswith("error")
        return
    with tifffile.TiffFile(path) as tif:
        pages = [
            (page.offset, page.dataoffsets[0], page.tags[273].valueoffset) for page in tif.pages
        ]
    # two pages point to one strip, as after a crash between two writes
    with path.open("r+b") as file:
        file.seek(pages[7][2])
        file.write(int(pages[2][1]).to_bytes(4, "little"))
    assert outcome(path).startswith("error")


def test_text_of_a_cycler_is_cut_anywhere(tmp_path: Path) -> None:
    """Readings are those of the whole file, as many as are there; the last one may lack a field."""
    data = mpt_text(rows=8)
    (path := tmp_path / "cell.mpt").write_bytes(data)
    whole = read_cycler(path)
    read = 0
    for end in range(0, len(data), 11):
        path.write_bytes(data[:end])
        try:
            table = read_cycler(path)
        except PitwatchError as error:
            assert "\n" not in str(error)
            continue
        read += 1
        for column in ("time_s", "potential_V", "current_mA", "charge_mAh", "cycle", "step"):
            values, right = getattr(table, column), getattr(whole, column)[: len(table)]
            there = np.isfinite(values)
            there[-1:] &= column == "time_s" or there[-1:]
            np.testing.assert_array_equal(values[there], right[there])
    assert read > 50


@pytest.mark.parametrize("name", ["tiny", "li_li_tegdme_gcpl"])
def test_binary_of_a_cycler_is_cut_anywhere(name: str, tmp_path: Path) -> None:
    pytest.importorskip("galvani", reason="the extra 'mpr' is not installed")
    data = sample(f"eclab/{name}.mpr").read_bytes()
    path = tmp_path / "cell.mpr"
    whole = read_cycler(sample(f"eclab/{name}.mpr"))
    for part in (0.3, 0.8, 0.99):
        path.write_bytes(data[: int(part * len(data))])
        try:
            table = read_cycler(path)
        except PitwatchError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(table.time_s, whole.time_s[: len(table)])
            assert len(table) == len(whole)
