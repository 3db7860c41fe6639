"""Volume files of every kind, written here, read back plane by plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from monitor.errors import SourceError
from monitor.recording.write.scan_file import ScanFile
from monitor.records import ScanKey, ScanStart, SliceFrame
from monitor.sources.volumes.volume import Volume, open_volumes
from tests.sources.samples import sample

NABU = "entry0000/reconstruction/results/data"
NABU_OPTIONS = "entry0000/reconstruction/configuration/processing_options/reconstruction"


@pytest.fixture
def data() -> Any:
    return np.random.default_rng(1).random((6, 7, 8), np.float32)


def whole(volume: Volume) -> Any:
    return np.stack(list(volume.slices()))


def only(path: str | Path) -> Volume:
    (volume,) = open_volumes([path])
    return volume


def write_stack(folder: Path, data: Any, prefix: str = "rec_", first: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    for index, plane in enumerate(data):
        tifffile.imwrite(folder / f"{prefix}{index + first}.tiff", plane)


@pytest.mark.parametrize("voxel_cm", [7.17e-5, [7.17e-5] * 3, "(7.17e-05, 7.17e-05, 7.17e-05)"])
def test_nabu_layout_and_voxel_size(tmp_path: Path, data: Any, voxel_cm: Any) -> None:
    with h5py.File(tmp_path / "rec.hdf5", "w") as file:
        file[NABU] = data
        file["entry0000/other/flats"] = data
        file[f"{NABU_OPTIONS}/voxel_size_cm"] = voxel_cm
    volume = only(tmp_path / "rec.hdf5")
    assert (volume.shape, volume.dtype) == ((6, 7, 8), "float32")
    assert volume.voxel_size_um == pytest.approx((0.717, 0.717, 0.717))
    np.testing.assert_array_equal(whole(volume), data)


def test_unequal_voxel_sides_are_z_y_x(tmp_path: Path, data: Any) -> None:
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file[NABU] = data
        file[f"{NABU_OPTIONS}/voxel_size_cm"] = [3e-4, 2e-4, 1e-4]
    assert only(tmp_path / "rec.h5").voxel_size_um == pytest.approx((3.0, 2.0, 1.0))


def write_master(tmp_path: Path, data: Any, mapped: int = 6) -> Path:
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    (tmp_path / "chunks").mkdir()
    for begin in range(0, mapped, 2):
        name = f"chunks/chunk_{begin}.h5"
        with h5py.File(tmp_path / name, "w") as file:
            file[NABU] = data[begin : begin + 2]
        layout[begin : begin + 2] = h5py.VirtualSource(name, NABU, (2, 7, 8), data.dtype)
    path = tmp_path / "master.h5"
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset(NABU, layout, fillvalue=0.0)
    return path


def test_a_virtual_dataset_over_chunk_files(tmp_path: Path, data: Any) -> None:
    np.testing.assert_array_equal(whole(only(write_master(tmp_path, data))), data)


def test_a_missing_chunk_file_is_named(tmp_path: Path, data: Any) -> None:
    path = write_master(tmp_path, data)
    (tmp_path / "chunks/chunk_2.h5").unlink()
    with pytest.raises(SourceError, match=r"chunk file .*chunk_2\.h5 is missing"):
        only(path)


def test_an_empty_chunk_file_is_named(tmp_path: Path, data: Any) -> None:
    path = write_master(tmp_path, data)
    h5py.File(tmp_path / "chunks/chunk_4.h5", "w").close()
    with pytest.raises(SourceError, match=r"chunk_4\.h5 has no dataset"):
        only(path)


def test_chunks_not_yet_mapped_are_said(tmp_path: Path, data: Any) -> None:
    with pytest.raises(SourceError, match="cover 224 of 336 voxels"):
        only(write_master(tmp_path, data, mapped=4))


@pytest.mark.parametrize("chunks", [None, (1, 7, 8), (4, 3, 3)])
def test_the_one_dataset_of_any_file(tmp_path: Path, data: Any, chunks: Any) -> None:
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file.create_dataset("deep/inside", data=data, chunks=chunks)
        file["flat"] = data[0]
    volume = only(tmp_path / "any.h5")
    assert volume.voxel_size_um is None
    np.testing.assert_array_equal(whole(volume), data)


def test_several_datasets_must_be_told_apart(tmp_path: Path, data: Any) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = data, 2 * data
    with pytest.raises(SourceError, match=r"2 3-D datasets: /a, /b; name one, e\.g\. two\.h5::/a"):
        only(tmp_path / "two.h5")
    named = only(f"{tmp_path / 'two.h5'}::/b")
    assert named.name == "two.h5::/b"
    np.testing.assert_array_equal(whole(named), 2 * data)


@pytest.mark.parametrize(
    ("voxel", "unit", "expected"),
    [((3.0, 2.0, 1.0), "µm", (3.0, 2.0, 1.0)), ((1.0, 1.0, 1.0), "voxel", None)],
)
def test_a_recording_is_a_source(
    tmp_path: Path, data: Any, voxel: Any, unit: str, expected: Any
) -> None:
    path = record(tmp_path / "scan_0000.h5", data, voxel if unit == "µm" else None)
    volume = only(path)
    assert volume.voxel_size_um == expected
    np.testing.assert_array_equal(whole(volume), data)


def test_a_recording_with_a_hole_is_refused(tmp_path: Path, data: Any) -> None:
    path = record(tmp_path / "scan_0000.h5", data, None, lost=2)
    with pytest.raises(SourceError, match="1 slices of this recorded scan were never received"):
        only(path)


def record(path: Path, data: Any, voxel: Any, lost: int | None = None) -> Path:
    """A scan's file as the recorder leaves it."""
    start = ScanStart(
        key=ScanKey("A", "", 0),
        stream="s",
        msg_number=0,
        reason="reference",
        request="",
        axis="z",
        volume_shape=data.shape,
        dtype="float32",
        voxel_size_um=voxel,
        start_time=0.0,
        stop_time=1.0,
    )
    file = ScanFile(path, start, keep_slices=True)
    for index, plane in enumerate(data):
        if index != lost:
            file.add(SliceFrame("A", 0, "s", index + 1, index, plane))
    file.flush()
    file.close()
    return file.part.rename(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages_of_one_tiff(tmp_path: Path, data: Any, compression: Any, byteorder: Any) -> None:
    pixels = (1000 * data).astype(np.uint16)
    path = tmp_path / "pages.tif"
    tifffile.imwrite(
        path, pixels, compression=compression, byteorder=byteorder, photometric="minisblack"
    )
    volume = only(path)
    assert (volume.shape, volume.dtype, volume.voxel_size_um) == ((6, 7, 8), "uint16", None)
    np.testing.assert_array_equal(whole(volume), pixels)
    assert next(volume.slices()).dtype == np.dtype("<u2")


def test_a_stack_is_read_in_natural_order(tmp_path: Path, data: Any) -> None:
    stack = np.concatenate([data, data + 1])  # 12 files: 10 comes after 9, not after 1
    write_stack(tmp_path / "rec", stack)
    np.testing.assert_array_equal(whole(only(tmp_path / "rec")), stack)
    np.testing.assert_array_equal(whole(only(f"{tmp_path}/rec/rec_*.tiff")), stack)


def test_voxel_size_of_a_stack(tmp_path: Path, data: Any) -> None:
    write_stack(tmp_path / "rec", data)
    infos = "[a.reconstruction]\nvoxel_size_cm = [ 3.0e-05 2.0e-05 1.0e-05 ]\n"
    (tmp_path / "rec" / "rec_infos.txt").write_text(infos)
    assert only(tmp_path / "rec").voxel_size_um == pytest.approx((0.3, 0.2, 0.1))


def test_a_hole_in_a_stack_is_named(tmp_path: Path, data: Any) -> None:
    write_stack(tmp_path / "rec", data)
    (tmp_path / "rec" / "rec_3.tiff").unlink()
    with pytest.raises(SourceError, match="number 2 is followed by 4"):
        only(tmp_path / "rec")


def test_two_stacks_in_a_folder_must_be_told_apart(tmp_path: Path, data: Any) -> None:
    write_stack(tmp_path / "rec", data)
    write_stack(tmp_path / "rec", data + 1, prefix="b_")
    with pytest.raises(SourceError, match="holds 2 stacks"):
        only(tmp_path / "rec")
    np.testing.assert_array_equal(whole(only(f"{tmp_path}/rec/b_*.tiff")), data + 1)


def test_an_odd_plane_in_a_stack_is_named(tmp_path: Path, data: Any) -> None:
    write_stack(tmp_path / "rec", data)
    tifffile.imwrite(tmp_path / "rec" / "rec_4.tiff", data[0, :3])
    with pytest.raises(SourceError, match=r"rec_4\.tiff: is \(3, 8\) float32"):
        whole(only(tmp_path / "rec"))


@pytest.mark.parametrize(
    ("source", "wire"),
    [
        ("uint8", "uint8"),
        ("uint16", "uint16"),
        ("float32", "float32"),
        ("bool", "uint8"),
        ("int8", "float32"),
        ("int16", "float32"),
        ("uint32", "float32"),
        ("int64", "float32"),
        ("float16", "float32"),
        ("float64", "float32"),
        (">u2", "uint16"),
        (">f4", "float32"),
    ],
)
def test_pixels_keep_their_values_in_the_wire_type(tmp_path: Path, source: str, wire: str) -> None:
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4) % 100
    stored = values.astype(source)
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["data"] = stored
    volume = only(tmp_path / "any.h5")
    assert volume.dtype == wire
    pixels = whole(volume)
    assert pixels.dtype == np.dtype(wire)
    np.testing.assert_array_equal(pixels, stored.astype(float))


def test_integers_that_would_lose_their_value_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["data"] = np.full((2, 3, 4), 2**24 + 1, np.uint32)
    with pytest.raises(SourceError, match="slice 0 holds the integer 16777217"):
        whole(only(tmp_path / "any.h5"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_pixels_that_are_not_finite_name_their_slice(tmp_path: Path, bad: float) -> None:
    values = np.zeros((3, 4, 5))
    values[2, 1, 1] = bad
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["data"] = values
    with pytest.raises(SourceError, match=r"any\.h5: slice 2 has 1 pixels that are not finite"):
        whole(only(tmp_path / "any.h5"))


def test_complex_pixels_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["data"] = np.zeros((2, 3, 4), complex)
    with pytest.raises(SourceError, match="expected real numbers"):
        only(f"{tmp_path / 'any.h5'}::data")


def test_other_inputs_are_refused_with_a_reason(tmp_path: Path, data: Any) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.h5").write_text("not HDF5")
    (tmp_path / "text.tif").write_text("not TIFF")
    (tmp_path / "volume.raw").write_bytes(b"")
    tifffile.imwrite(tmp_path / "plane.tif", data[0])
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((8, 8, 3), np.uint8), photometric="rgb")
    for name, why in {
        "absent.h5": "does not exist",
        "empty": "contains no TIFF, EDF or JPEG 2000 file",
        "text.h5": "cannot be read as HDF5",
        "text.tif": "cannot be read as TIFF",
        "volume.raw": "type .raw is not known",
        "plane.tif": "contains one plane, expected a volume",
        "colour.tif": "colour image",
    }.items():
        with pytest.raises(SourceError, match=why):
            only(tmp_path / name)
    with pytest.raises(SourceError, match="expected at least one"):
        open_volumes([])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_a_tiff_cut_short_is_refused(tmp_path: Path, compression: str | None, part: float) -> None:
    path = tmp_path / "pages.tif"
    pixels = np.random.default_rng(1).integers(0, 255, (20, 60, 60), np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack", compression=compression)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(part * len(raw))])
    with pytest.raises(SourceError, match=r"pages\.tif"):
        whole(only(path))


@pytest.mark.parametrize("name", ["bubble_0", "bubble_1", "fringes_128x128x128"])
def test_real_tomograms(name: str) -> None:
    path = sample(f"tomo/{name}.tif")
    volume = only(path)
    assert (volume.dtype, volume.voxel_size_um) == ("uint8", None)
    np.testing.assert_array_equal(whole(volume), tifffile.imread(path))
