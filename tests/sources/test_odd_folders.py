"""Folders as other programs leave them: what is sent is right, and what is not sent is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from fabio.edfimage import EdfImage

from monitor.records import ScanStart, SliceFrame
from monitor.settings import FolderRules
from monitor.sources.volumes.volume import open_volumes
from tests.sources.test_publish_folder import Received, Watched
from tests.sources.volume_files import map_parts, noise, write_parts

pytestmark = pytest.mark.slow

DATA = noise((6, 10, 8))
RULES = FolderRules(poll_s=0.02, quiet_s=0.5)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "recs")
    yield made
    made.listener.close()


def sent(watched: Watched, scans: int = 1, rules: FolderRules = RULES, first: int = 0) -> Received:
    with watched.publishing(rules) as received:
        for scan in range(first, scans):
            received.wait_for_end(scan)
    return received


def tiffs(folder: Path, name: str = "rec_{:04d}.tif", **options: Any) -> None:
    for number, plane in enumerate(DATA):
        tifffile.imwrite(folder / name.format(number), plane, **options)


def ome_zarr(folder: Path, data: Any, **options: Any) -> None:
    zarr = pytest.importorskip("zarr")
    image = zarr.open_group(folder / "rec", mode="w", zarr_format=2)
    array = image.create_array("0", shape=data.shape, chunks=(2, 5, 4), dtype=data.dtype, **options)
    array[:] = data
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    scale = {"type": "scale", "scale": [0.65] * 3}
    level = {"path": "0", "coordinateTransformations": [scale]}
    image.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]


# right, or not sent


@pytest.mark.parametrize("axes", ["ZCYX", "TZYX", "CZYX"])
def test_channels_and_times_are_not_taken_for_slices(axes: str, watched: Watched) -> None:
    twice = np.stack([DATA, DATA], axis=1 if axes == "ZCYX" else 0)
    tifffile.imwrite(watched.folder / "rec.tif", twice, metadata={"axes": axes})
    with watched.publishing(RULES) as received:
        watched.has_said(f"with the axes {axes}")
    assert received.records(ScanStart) == []


def test_pages_in_the_order_of_ome_arrive_as_publish_sends_them(watched: Watched) -> None:
    path = watched.folder / "rec.ome.tif"
    tifffile.imwrite(path, DATA, ome=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata or ""
    blocks = "".join(f'<TiffData IFD="{5 - z}" FirstZ="{z}" PlaneCount="1"/>' for z in range(6))
    head, _, rest = xml.partition("<TiffData")
    reversed_order = head + blocks + rest[rest.index("/>") + 2 :]
    tifffile.imwrite(path, DATA, description=reversed_order, metadata=None)
    (opened,) = open_volumes([path])
    np.testing.assert_array_equal(list(opened.slices()), DATA[::-1])
    np.testing.assert_array_equal(sent(watched).volume(0), DATA[::-1])


@pytest.mark.parametrize("other", ["rec_3.tif", "rec_0003.tiff", "rec_0003.TIF"])
def test_a_number_that_two_files_have_is_named_until_one_is_removed(
    other: str, watched: Watched
) -> None:
    tiffs(watched.folder)
    tifffile.imwrite(watched.folder / other, np.full_like(DATA[0], 7))
    with watched.publishing(RULES) as received:
        watched.has_said("another file has the same number; keep one of the two")
        assert received.records(SliceFrame) == []
        (watched.folder / other).unlink()
        received.wait_for_end(0)
    np.testing.assert_array_equal(received.volume(0), DATA)


@pytest.mark.parametrize("name", ["dark_0000.edf", "a_0001.edf"])
def test_a_single_image_beside_a_stack_is_no_volume(name: str, watched: Watched) -> None:
    EdfImage(data=DATA[0]).write(str(watched.folder / name))
    for number, plane in enumerate(DATA):
        EdfImage(data=plane).write(str(watched.folder / f"rec_{number:04d}.edf"))
    received = sent(watched)
    assert [start.volume_shape for start in received.records(ScanStart)] == [DATA.shape]


def edfs(folder: Path, name: str, planes: Any = DATA) -> None:
    folder.mkdir(exist_ok=True)
    for number, plane in enumerate(planes):
        EdfImage(data=plane).write(str(folder / f"{name}{number:04d}.edf"))


@pytest.mark.parametrize("name", ["dark_", "flats/img_"])
def test_fields_of_the_detector_in_stacks_are_no_volumes(name: str, watched: Watched) -> None:
    path = watched.folder / name
    edfs(path.parent, path.name, DATA[::-1])
    with watched.publishing(RULES.model_copy(update={"slices": 6})) as received:
        watched.has_said("is left out: dark and flat fields are called so")
        edfs(watched.folder, "rec_")
        received.wait_for_end(0)
    assert len(received.records(ScanStart)) == 1
    np.testing.assert_array_equal(received.volume(0), DATA)


@pytest.mark.parametrize("digits", [3, 4])
def test_volumes_named_like_their_folder_are_not_joined(digits: int, watched: Watched) -> None:
    for number in (1, 2):
        with h5py.File(watched.folder / f"recs_{number:0{digits}d}.h5", "w") as file:
            file["data"] = DATA + number
    received = sent(watched, scans=3, rules=RULES.model_copy(update={"slices": 6}), first=1)
    for number in (1, 2):
        np.testing.assert_array_equal(received.volume(number), DATA + number)


def test_files_that_cannot_be_parts_of_one_volume_are_named(watched: Watched) -> None:
    for number in (1, 2):
        with h5py.File(watched.folder / f"recs_{number:05d}.h5", "w") as file:
            file["data"] = DATA + number
    with watched.publishing(RULES) as received:
        watched.has_said("are these volumes of their own? Name their folder 'recs' differently")
    assert received.records(SliceFrame) == []


def test_the_first_slice_of_the_next_stack_does_not_wait_for_the_second(watched: Watched) -> None:
    edfs(watched.folder, "rec_1_")
    with watched.publishing(RULES.model_copy(update={"slices": 6})) as received:
        received.wait_for_end(1)
        edfs(watched.folder, "rec_2_", DATA[:1])
        received.wait_for(2, 1)
        edfs(watched.folder, "rec_2_")
        received.wait_for_end(2)
    np.testing.assert_array_equal(received.volume(2), DATA)


# voxel sizes


def imagej(path: Path, side: float, unit: str = "um") -> None:
    tifffile.imwrite(
        path,
        DATA,
        imagej=True,
        resolution=(1 / side, 1 / side),
        metadata={"axes": "ZYX", "unit": unit, "spacing": side},
    )


def test_each_volume_has_its_own_voxel_size_which_is_reported_if_it_differs(
    watched: Watched,
) -> None:
    for number, side in enumerate((0.65, 1.3, 0.6500001)):
        imagej(watched.folder / f"rec_{number}.tif", side)
    starts = sent(watched, scans=3).records(ScanStart)
    sizes = [start.voxel_size_um[0] for start in starts]
    assert sizes == pytest.approx([0.65, 1.3, 0.65])
    assert sizes[2] == sizes[0]  # maps are compared only if it is the same number
    watched.has_said("rec_1: voxel size is 1.3 µm, that of rec_0 is 0.65 µm")
    assert not any("rec_2: voxel size" in text for text in watched.said)


def test_a_voxel_size_from_resolution_tags_is_reported(watched: Watched) -> None:
    tiffs(watched.folder, resolution=(4000, 4000), resolutionunit="INCH")
    (start,) = sent(watched).records(ScanStart)
    assert start.voxel_size_um == pytest.approx((6.35,) * 3)
    watched.has_said("voxel size 6.35 µm from its resolution tags")


@pytest.mark.parametrize(("unit", "told"), [("mm", "650 µm"), ("m", "6.5e+05 µm")])
def test_a_voxel_size_in_an_unlikely_unit_is_reported(
    unit: str, told: str, watched: Watched
) -> None:
    imagej(watched.folder / "rec.tif", 0.65, unit)
    sent(watched)
    watched.has_said(f"rec: voxel size is {told}: is it in another unit")


# never without a word


def colours(folder: Path) -> None:
    for number in range(3):
        tifffile.imwrite(folder / f"rec_{number}.tif", np.zeros((9, 8, 3), "u1"), photometric="rgb")


def empty_chunks(folder: Path) -> None:
    data = DATA.copy()
    data[:2, :5, :4] = 0  # a corner outside the field of view
    ome_zarr(folder, data)


def vol_alone(folder: Path) -> None:
    DATA.astype("<f4").tofile(folder / "rec.vol")


def vol_of_float64(folder: Path) -> None:
    (DATA / 7).tofile(folder / "rec.vol")
    (folder / "rec.vol.info").write_text("NUM_X = 8\nNUM_Y = 10\nNUM_Z = 6\n")


def vol_of_float64_that_grows(folder: Path) -> None:
    vol_of_float64(folder)
    whole = (folder / "rec.vol").read_bytes()
    (folder / "rec.vol").write_bytes(whole[: len(whole) // 3])


def first_slice_empty(folder: Path) -> None:
    edfs(folder, "rec_")
    (folder / "rec_0000.edf").write_bytes(b"")


def sources_of_another_type(folder: Path) -> None:
    """In a folder of their own, in which nothing else is looked for."""
    (folder / ".parts").mkdir()
    names = write_parts(folder, DATA.astype("f4") / 7, name=".parts/{}.h5")
    map_parts(folder / "rec.h5", names, DATA.shape, "u2")


def never_written(folder: Path) -> None:
    with h5py.File(folder / "rec.h5", "w") as file:
        file.create_dataset("data", DATA.shape, "u2", chunks=(1, 10, 8))


def damaged_hdf5(folder: Path) -> None:
    (folder / "rec.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))


def lost_link(folder: Path) -> None:
    with h5py.File(folder / "rec.h5", "w") as file:
        file["entry/reconstruction/results/data"] = h5py.ExternalLink("gone.h5", "/data")
        file["thumbnails"] = DATA[:2]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (colours, "is a colour image"),
        (empty_chunks, "its writer leaves out chunks of one value"),
        (vol_alone, "rec.vol.info is missing"),
        (first_slice_empty, "rec_0000.edf is empty"),
        (sources_of_another_type, "has float32 pixels, which HDF5 would cut"),
        (never_written, "slices were never written"),
        (damaged_hdf5, "cannot be read"),
        (lambda folder: (folder / "rec.npy").touch(), "its first slice is not complete"),
    ],
)
def test_a_volume_of_which_nothing_can_be_sent_is_named_with_the_cause(
    make: Callable[[Path], None], words: str, watched: Watched
) -> None:
    make(watched.folder)
    with watched.publishing(RULES) as received:
        watched.has_said(words)
    assert any(text.startswith("rec: nothing of it can be sent") for text in watched.said)
    assert received.records(ScanStart) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (vol_of_float64, "8 bytes a voxel, float32 has 4"),
        (vol_of_float64_that_grows, "they are not float32"),
        (lost_link, "gone.h5::/data, which cannot be opened"),
    ],
)
def test_a_file_of_which_nothing_must_be_sent_is_named_with_the_cause(
    make: Callable[[Path], None], words: str, watched: Watched
) -> None:
    make(watched.folder)
    with watched.publishing(RULES.model_copy(update={"slices": 6})) as received:
        watched.has_said(words)
    assert received.records(SliceFrame) == []


def test_a_source_that_is_missing_in_between_is_named_when_the_scan_stalls(
    watched: Watched,
) -> None:
    (watched.folder / ".parts").mkdir()
    names = write_parts(watched.folder, DATA, name=".parts/{}.h5")
    map_parts(watched.folder / "rec.h5", names, DATA.shape, DATA.dtype)
    away = (watched.folder / names[1]).rename(watched.folder / "away")
    with watched.publishing(RULES) as received:
        watched.has_said("has stalled: 2 of 6 slices")
        assert any(f"{names[1]} is missing" in text for text in watched.said)
        away.rename(watched.folder / names[1])
        received.wait_for_end(0)
    np.testing.assert_array_equal(received.volume(0), DATA)


def test_each_damaged_slice_of_hdf5_is_named(watched: Watched) -> None:
    with h5py.File(watched.folder / "rec.h5", "w") as file:
        data = file.create_dataset("data", data=DATA, chunks=(1, 10, 8), compression="gzip")
        places = [data.id.get_chunk_info(index).byte_offset for index in (2, 4)]
    with (watched.folder / "rec.h5").open("r+b") as raw:
        for place in places:
            raw.seek(place)
            raw.write(bytes(20))
    received = sent(watched)
    assert received.frames(0) == [0, 1, 3, 5]
    for index in (2, 4):
        watched.has_said(f"slice {index} cannot be read")


def test_chunks_that_are_all_written_are_a_volume(watched: Watched) -> None:
    data = DATA.copy()
    data[:2, :5, :4] = 0
    ome_zarr(watched.folder, data, config={"write_empty_chunks": True})
    np.testing.assert_array_equal(sent(watched).volume(0), data)


@pytest.mark.parametrize("name", ["z{}_0.65um.tif", "slice {}.raw", ""])
def test_a_folder_without_a_volume_is_named(name: str, watched: Watched) -> None:
    for number, plane in enumerate(DATA if name else ()):
        path = watched.folder / name.format(number)
        if path.suffix == ".tif":
            tifffile.imwrite(path, plane)
        else:
            plane.tofile(path)
    with watched.publishing(RULES) as received:
        watched.has_said(f"{watched.folder}: no volume has appeared")
        shutil.rmtree(watched.folder)
        watched.folder.mkdir()
        tiffs(watched.folder)
        received.wait_for_end(0)
    np.testing.assert_array_equal(received.volume(0), DATA)
