"""Virtual datasets, judged by HDF5 itself: what it reads right is read, all else is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.sources.volumes.volume import open_volumes
from tests.sources.volume_files import SHAPE, map_parts, noise, virtual, write_parts

DATA = noise()
OTHER = noise(seed=2)
EACH = SHAPE[0] // 3


def read(path: Path | str) -> Any:
    (volume,) = open_volumes([path])
    return np.stack(list(volume.slices()))


def by_hdf5(path: Path) -> Any:
    with h5py.File(path, "r") as file:
        return file["data"][()]


def subfolder(folder: Path) -> Path:
    (folder / "parts").mkdir()
    names = write_parts(folder, DATA, name="parts/p{}.h5")
    map_parts(folder / "master.h5", names, SHAPE, "u2")
    return folder / "master.h5"


def absolute(folder: Path) -> Path:
    names = write_parts(folder, DATA)
    map_parts(folder / "master.h5", [str(folder / name) for name in names], SHAPE, "u2")
    return folder / "master.h5"


def absolute_moved(folder: Path) -> Path:
    """HDF5 looks for the last part of a stale absolute name beside the master."""
    (folder / "old").mkdir()
    absolute(folder / "old")
    return (folder / "old").rename(folder / "new") / "master.h5"


def symbolic(folder: Path) -> Path:
    (folder / "far").mkdir()
    (folder / "link.h5").symlink_to(virtual(folder / "far", DATA))
    return folder / "link.h5"


def symbolic_beside_namesakes(folder: Path) -> Path:
    write_parts(folder, OTHER)
    return symbolic(folder)


def far_link(folder: Path) -> Path:
    (folder / "far").mkdir()
    virtual(folder / "far", DATA)
    with h5py.File(folder / "scan.h5", "w") as file:
        file["data"] = h5py.ExternalLink("far/master.h5", "/data")
    return folder / "scan.h5"


def far_link_beside_namesakes(folder: Path) -> Path:
    write_parts(folder, OTHER)
    return far_link(folder)


def link_of_link(folder: Path) -> Path:
    far_link(folder)
    (folder / "top").mkdir()
    with h5py.File(folder / "top" / "scan.h5", "w") as file:
        file["data"] = h5py.ExternalLink("../scan.h5", "/data")
    return folder / "top" / "scan.h5"


def soft_link(folder: Path) -> Path:
    names = write_parts(folder, DATA)
    map_parts(folder / "master.h5", names, SHAPE, "u2", "deep/inside")
    with h5py.File(folder / "master.h5", "a") as file:
        file["data"] = h5py.SoftLink("/deep/inside")
    return folder / "master.h5"


def same_file(folder: Path) -> Path:
    layout = h5py.VirtualLayout(SHAPE, "u2")
    with h5py.File(folder / "master.h5", "w") as file:
        for k in range(3):
            file[f"part{k}"] = DATA[k * EACH : (k + 1) * EACH].reshape(-1, SHAPE[2])
            source = h5py.VirtualSource(".", f"part{k}", (EACH * SHAPE[1], SHAPE[2]), "u2")
            layout[k * EACH : (k + 1) * EACH] = source
        file.create_virtual_dataset("data", layout)
    return folder / "master.h5"


def source_is_a_link(folder: Path) -> Path:
    """Each source file only links to the one that holds the pixels."""
    (folder / "pixels").mkdir()
    names = write_parts(folder / "pixels", DATA)
    for name in names:
        with h5py.File(folder / name, "w") as file:
            file["data"] = h5py.ExternalLink(f"pixels/{name}", "/data")
    map_parts(folder / "master.h5", names, SHAPE, "u2")
    return folder / "master.h5"


def interleaved(folder: Path) -> Path:
    layout = h5py.VirtualLayout(SHAPE, "u2")
    for k in range(2):
        with h5py.File(folder / f"p{k}.h5", "w") as file:
            file["data"] = DATA[k::2]
        layout[k::2] = h5py.VirtualSource(f"p{k}.h5", "data", (SHAPE[0] // 2, *SHAPE[1:]), "u2")
    with h5py.File(folder / "master.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return folder / "master.h5"


def slice_by_slice(folder: Path) -> Path:
    """One 2-D image a file, in tiles of two."""
    layout = h5py.VirtualLayout(SHAPE, "u2")
    for z in range(SHAPE[0]):
        with h5py.File(folder / f"p{z}.h5", "w") as file:
            file["image"] = DATA[z]
        source = h5py.VirtualSource(f"p{z}.h5", "image", SHAPE[1:], "u2")
        layout[z, :7] = source[:7]
        layout[z, 7:] = source[7:]
    with h5py.File(folder / "master.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return folder / "master.h5"


def mapped_part_of_what_is_partly_written(folder: Path) -> Path:
    with h5py.File(folder / "part.h5", "w") as file:
        stored = file.create_dataset("data", (40, *SHAPE[1:]), "u2", chunks=(1, *SHAPE[1:]))
        stored[10 : 10 + SHAPE[0]] = DATA
    layout = h5py.VirtualLayout(SHAPE, "u2")
    source = h5py.VirtualSource("part.h5", "data", (40, *SHAPE[1:]), "u2")
    layout[:] = source[10 : 10 + SHAPE[0]]
    with h5py.File(folder / "master.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return folder / "master.h5"


def mapped_twice_but_whole(folder: Path) -> Path:
    layout = h5py.VirtualLayout(SHAPE, "u2")
    with h5py.File(folder / "part.h5", "w") as file:
        file["data"] = DATA
    source = h5py.VirtualSource("part.h5", "data", SHAPE, "u2")
    for part in (slice(0, 8), slice(4, 12)):
        layout[part] = source[part]
    with h5py.File(folder / "master.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return folder / "master.h5"


def numbered(folder: Path) -> Path:
    """Source files by number, as area-detector writers name them: `%b`."""
    for k in range(3):
        with h5py.File(folder / f"part{k}.h5", "w") as file:
            file["data"] = DATA[k * EACH : (k + 1) * EACH]
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space = h5py.h5s.create_simple(SHAPE, (h5py.h5s.UNLIMITED, *SHAPE[1:]))
    block = (EACH, *SHAPE[1:])
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), block, block)
    source = h5py.h5s.create_simple(block)
    properties.set_virtual(space, b"part%b.h5", b"data", source)
    with h5py.File(folder / "master.h5", "w") as file:
        extent = h5py.h5s.create_simple(SHAPE, (h5py.h5s.UNLIMITED, *SHAPE[1:]))
        h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT16, extent, properties)
    return folder / "master.h5"


WHOLE: list[Callable[[Path], Path]] = [
    subfolder, absolute, absolute_moved, symbolic, symbolic_beside_namesakes, far_link,
    far_link_beside_namesakes, link_of_link, soft_link, same_file, source_is_a_link, interleaved,
    slice_by_slice, mapped_part_of_what_is_partly_written, mapped_twice_but_whole, numbered,
]  # fmt: skip


@pytest.mark.parametrize("write", WHOLE, ids=lambda write: write.__name__)
def test_what_hdf5_reads_is_read(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    expected = by_hdf5(path)
    np.testing.assert_array_equal(read(path), expected)
    if write is not symbolic_beside_namesakes:  # there HDF5 takes what lies beside the link
        np.testing.assert_array_equal(expected, DATA)


@pytest.mark.parametrize("write", WHOLE, ids=lambda write: write.__name__)
def test_any_source_that_is_missing_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    sources = sorted(p for p in tmp_path.rglob("p*.h5") if p.is_file())
    for source in sources:
        source.unlink()
        expected = _or_none(path)
        if any(np.array_equal(expected, whole) for whole in (DATA, OTHER)):
            np.testing.assert_array_equal(read(path), expected)
        else:
            with pytest.raises(SourceError, match=r"missing|no dataset|3-D|voxels"):
                read(path)
        if "namesakes" not in write.__name__:
            break


def _or_none(path: Path) -> Any:
    try:
        return by_hdf5(path)
    except (OSError, KeyError):
        return None


@pytest.mark.parametrize("victim", [0, 1])
def test_numbered_sources_end_where_one_is_missing(victim: int, tmp_path: Path) -> None:
    path = numbered(tmp_path)
    (tmp_path / f"part{victim}.h5").unlink()
    with pytest.raises(SourceError, match=r"missing|shape is \(0"):
        read(path)


def test_moved_sources_are_found_by_the_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = virtual(tmp_path, DATA)
    (tmp_path / "moved").mkdir()
    for part in tmp_path.glob("part*.h5"):
        shutil.move(part, tmp_path / "moved")
    with pytest.raises(SourceError, match=r"chunk file .*part0\.h5 is missing"):
        read(path)
    for prefix in (str(tmp_path / "moved"), "${ORIGIN}/moved", f"/nonexistent:{tmp_path}/moved"):
        monkeypatch.setenv("HDF5_VDS_PREFIX", prefix)
        if np.array_equal(by_hdf5(path), DATA):
            np.testing.assert_array_equal(read(path), DATA)
        else:
            with pytest.raises(SourceError):
                read(path)


def test_sources_in_the_working_folder_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "away").mkdir()
    path = virtual(tmp_path, DATA).rename(tmp_path / "away" / "master.h5")
    with pytest.raises(SourceError, match="missing"):
        read(path)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(by_hdf5(path), DATA)
    np.testing.assert_array_equal(read(path), DATA)


def test_a_source_missing_two_levels_down_is_named(tmp_path: Path) -> None:
    map_parts(tmp_path / "mid.h5", write_parts(tmp_path, DATA), SHAPE, "u2")
    map_parts(tmp_path / "upper.h5", ["mid.h5"], SHAPE, "u2")
    map_parts(tmp_path / "master.h5", ["upper.h5"], SHAPE, "u2")
    np.testing.assert_array_equal(read(tmp_path / "master.h5"), DATA)
    (tmp_path / "part1.h5").unlink()
    with pytest.raises(SourceError, match=r"mid\.h5::/data: chunk file .*part1\.h5 is missing"):
        read(tmp_path / "master.h5")


@pytest.mark.parametrize("parts", [((0, 4), (4, 8), (4, 8)), ((0, 8), (7, 11)), ((1, 12),)])
def test_the_union_of_what_is_mapped_counts(parts: Any, tmp_path: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, "u2")
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["data"] = DATA
    source = h5py.VirtualSource("part.h5", "data", SHAPE, "u2")
    for low, high in parts:
        layout[low:high] = source[low:high]
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    first = 0 if parts[0][0] else max(high for _, high in parts)
    with pytest.raises(SourceError, match=rf"cover \d+ of 3840 voxels.* lacks some is {first};"):
        read(tmp_path / "master.h5")


@pytest.mark.parametrize(
    ("source", "virtual", "kept"),
    [("f4", "u2", False), ("u4", "u2", False), ("i2", "u2", False), ("u2", "u1", False),
     ("f8", "f4", True), (">u2", "<u2", True), ("u1", "f4", True)],
)  # fmt: skip
def test_pixels_that_hdf5_would_cut_to_another_type_are_refused(
    source: str, virtual: str, kept: bool, tmp_path: Path
) -> None:
    data = (DATA % 100).astype(source)
    write_parts(tmp_path, data)
    map_parts(tmp_path / "master.h5", [f"part{k}.h5" for k in range(3)], SHAPE, virtual)
    if kept:
        np.testing.assert_array_equal(read(tmp_path / "master.h5"), data)
    else:
        with pytest.raises(SourceError, match=r"part0\.h5 has \w+ pixels, which HDF5 would cut"):
            read(tmp_path / "master.h5")


def test_a_gap_within_slices_is_found(tmp_path: Path) -> None:
    path = slice_by_slice(tmp_path)
    layout = h5py.VirtualLayout(SHAPE, "u2")
    for z in range(SHAPE[0]):
        source = h5py.VirtualSource(f"p{z}.h5", "image", SHAPE[1:], "u2")
        layout[z, : 15 if z == 9 else 16] = source[: 15 if z == 9 else 16]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    with pytest.raises(SourceError, match="lacks some is 9;"):
        read(path)


@pytest.mark.parametrize("fill", [0, 7])
def test_chunks_that_were_never_written_two_levels_down(fill: int, tmp_path: Path) -> None:
    names = write_parts(tmp_path, DATA)
    with h5py.File(tmp_path / names[1], "w") as file:
        stored = file.create_dataset(
            "data", (EACH, *SHAPE[1:]), "u2", chunks=(1, 8, 20), fillvalue=fill
        )
        stored[:3] = DATA[4:7]
        stored[3, :8] = DATA[7, :8]
    map_parts(tmp_path / "mid.h5", names, SHAPE, "u2")
    map_parts(tmp_path / "master.h5", ["mid.h5"], SHAPE, "u2")
    with pytest.raises(SourceError, match=r"1 of 4 slices were never written.*the first is 3"):
        read(tmp_path / "master.h5")


@pytest.mark.parametrize("circle", [("a",), ("a", "b"), ("a", "b", "c")])
def test_virtual_datasets_in_a_circle_are_refused(circle: tuple[str, ...], tmp_path: Path) -> None:
    for name, following in zip(circle, (*circle[1:], circle[0]), strict=True):
        map_parts(tmp_path / f"{name}.h5", [f"{following}.h5"], SHAPE, "u2")
    with pytest.raises(SourceError, match="in a circle"):
        read(tmp_path / "a.h5")


def test_groups_in_a_circle_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "loop.h5", "w") as file:
        file["deep/inside"] = DATA
        file["deep/again"] = h5py.SoftLink("/deep")
        file["self"] = h5py.ExternalLink("loop.h5", "/")
        file["hard"] = file["deep"]
    np.testing.assert_array_equal(read(tmp_path / "loop.h5"), DATA)


@pytest.mark.parametrize("link", [h5py.SoftLink("/none"), h5py.ExternalLink("gone.h5", "/data")])
def test_a_link_that_leads_nowhere_is_named(link: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["data"] = link
    with pytest.raises(SourceError, match=r"/data points to (/none|gone\.h5::/data)"):
        read(tmp_path / "scan.h5")
    with pytest.raises(SourceError, match=r"/data points to (/none|gone\.h5::/data)"):
        read(f"{tmp_path}/scan.h5::/data")


def test_a_source_that_goes_after_opening_is_seen(tmp_path: Path) -> None:
    (volume,) = open_volumes([virtual(tmp_path, DATA)])
    (tmp_path / "part2.h5").unlink()
    with pytest.raises(SourceError, match=r"part2\.h5 is missing"):
        list(volume.slices())


@pytest.mark.parametrize("written", [0, 7])
@pytest.mark.parametrize("chunks", [(1, 16, 20), (4, 16, 20), (2, 5, 7)])
def test_chunks_that_were_never_written(written: int, chunks: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        stored = file.create_dataset("data", SHAPE, "u2", chunks=chunks)
        stored[:written] = DATA[:written]
    first = -(-written // chunks[0]) * chunks[0]
    with pytest.raises(SourceError, match=rf"never written.*the first is {first};"):
        read(tmp_path / "volume.h5")


def test_a_plain_dataset_that_was_never_written(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file.create_dataset("data", SHAPE, "u2")
    with pytest.raises(SourceError, match="none of its slices was ever written"):
        read(tmp_path / "volume.h5")


@pytest.mark.parametrize("fill", [None, 9])
def test_a_plain_dataset_written_in_part_has_a_hole(fill: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file.create_dataset("data", SHAPE, "u2", fillvalue=fill)[:7] = DATA[:7]
    (volume,) = open_volumes([tmp_path / "volume.h5"])
    planes = list(volume.slices())
    assert [plane is None for plane in planes] == [False] * 7 + [True] * 5


def test_raw_files_are_sought_and_measured(tmp_path: Path) -> None:
    raw = tmp_path / "pixels.raw"
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        files = [(str(raw), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("data", SHAPE, "u2", external=files)[:] = DATA
    np.testing.assert_array_equal(read(tmp_path / "volume.h5"), DATA)
    os.truncate(raw, DATA.nbytes - 1)
    with pytest.raises(SourceError, match=r"pixels\.raw is missing or cut short"):
        read(tmp_path / "volume.h5")


def test_an_unknown_filter_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.errors import MissingSoftware
    from monitor.sources.volumes import stored_voxels

    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file.create_dataset("data", data=DATA, chunks=(1, 16, 20), compression="gzip")
    monkeypatch.setattr(stored_voxels.h5z, "filter_avail", lambda _code: False)
    with pytest.raises(MissingSoftware, match=r"HDF5 filter 1 \(deflate\), which is not installed"):
        read(tmp_path / "volume.h5")
