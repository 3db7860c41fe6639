"""EDF, JPEG 2000, .vol and .npy, written by the libraries that others write them with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabio.edfimage import EdfImage

from monitor.errors import SourceError
from monitor.sources.volumes.volume import Volume, open_volumes
from tests.sources.volume_files import noise, npy, stack_edf, vol

DATA = noise()


def only(path: Path) -> Volume:
    (volume,) = open_volumes([path])
    return volume


def read(path: Path) -> Any:
    return np.stack(list(only(path).slices()))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
def test_edf_of_every_type_is_read_as_fabio_writes_it(dtype: str, tmp_path: Path) -> None:
    data = (DATA % 100).astype(dtype)
    np.testing.assert_array_equal(read(stack_edf(tmp_path, data)), data)


def test_edf_with_the_high_byte_first(tmp_path: Path) -> None:
    folder = stack_edf(tmp_path, DATA.byteswap())
    for path in folder.iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"LowByteFirst ", b"HighByteFirst"))
    np.testing.assert_array_equal(read(folder), DATA)


HEADER = "{{\nByteOrder = LowByteFirst ;\nDataType = {} ;\nDim_1 = 20 ;\nDim_2 = 16 ;\n{}"


def edf_by_hand(folder: Path, header: str, size: int = 512, end: str = "}\n") -> Path:
    """As programs of beamlines write it; `header` is filled up to `size` with blanks."""
    text = header.ljust(size - len(end)) + end
    for index, plane in enumerate(DATA):
        (folder / f"rec_{index:04d}.edf").write_bytes(text.encode() + plane.tobytes())
    return folder


@pytest.mark.parametrize("end", ["}\n", "}\r\n"])
@pytest.mark.parametrize("size", [130, 511, 512, 513, 514, 1000, 1024, 4096])
def test_the_header_of_edf_has_any_length(size: int, end: str, tmp_path: Path) -> None:
    folder = edf_by_hand(tmp_path, HEADER.format("UnsignedShort", "a = {1} ;\n"), size, end)
    np.testing.assert_array_equal(read(folder), DATA)


@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize("name", ["UnsignedShort", "Unsigned16", "UnsignedShortInteger"])
@pytest.mark.parametrize("more", ["", "Dim_3 = 1 ;\n", "EDF_DataBlockID = 1.Image.Psd ;\n"])
def test_names_in_edf_are_written_in_many_ways(
    more: str, name: str, case: Any, tmp_path: Path
) -> None:
    folder = edf_by_hand(tmp_path, case(HEADER.format(name, more)))
    np.testing.assert_array_equal(read(folder), DATA)


@pytest.mark.parametrize("entry", ["Dim_3 = 2", "EDF_BinaryFileName = rec.raw"])
def test_edf_that_is_not_one_image_behind_its_header_is_refused(entry: str, tmp_path: Path) -> None:
    folder = edf_by_hand(tmp_path, HEADER.format("UnsignedShort", f"{entry} ;\n"))
    with pytest.raises(
        SourceError, match=rf"rec_0000\.edf: {entry.upper().replace(' =', ' is')[:8]}"
    ):
        open_volumes([folder])


def test_several_images_in_a_file_of_edf_are_no_slice(tmp_path: Path) -> None:
    images = EdfImage(data=DATA[0])
    for plane in DATA[1:]:
        images.append_frame(data=plane)
    images.write(str(tmp_path / "rec_0001.edf"))
    with pytest.raises(SourceError, match="contains more than one image"):
        open_volumes([tmp_path])
    with pytest.raises(SourceError, match=r"is one slice of a stack; name its folder"):
        open_volumes([tmp_path / "rec_0001.edf"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[:-1], "its plane is incomplete: 639 of 640 bytes"),
        (lambda raw: raw[:300], "has no complete header of EDF"),
        (lambda raw: raw + raw, "contains more than one image"),
        (lambda raw: raw.replace(b"UnsignedShort", b"ComplexShorts"), "DataType is ComplexShorts"),
    ],
)
def test_a_file_of_edf_that_is_not_one_complete_image_is_named(
    damage: Any, said: str, tmp_path: Path
) -> None:
    folder = stack_edf(tmp_path, DATA)
    victim = folder / "rec_00007.edf"
    victim.write_bytes(damage(victim.read_bytes()))
    with pytest.raises(SourceError, match=said) as caught:
        open_volumes([folder])
    assert "rec_00007.edf" in str(caught.value)


def test_stacks_of_two_formats_in_a_folder_are_named(tmp_path: Path) -> None:
    folder = stack_edf(tmp_path, DATA)
    for index, plane in enumerate(DATA):
        EdfImage(data=plane).write(str(folder / f"other_{index:05d}.edf"))
    with pytest.raises(SourceError, match=r"holds 2 stacks.*'other_\*\.edf', 'rec_\*\.edf'"):
        open_volumes([folder])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_jpeg_2000_is_read_bit_for_bit_and_a_cut_is_seen(dtype: str, tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    data = (DATA % 256).astype(dtype)
    for index, plane in enumerate(data):
        coded = imagecodecs.jpeg2k_encode(plane, codecformat="jp2", reversible=True)
        (tmp_path / f"rec_{index:05d}.jp2").write_bytes(coded)
    (tmp_path / "rec_infos.txt").write_text("voxel_size_cm = 6.5e-05\n")
    np.testing.assert_array_equal(read(tmp_path), data)
    assert only(tmp_path).voxel_size_um == pytest.approx((0.65,) * 3)
    victim = tmp_path / "rec_00003.jp2"
    victim.write_bytes(victim.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"rec_00003\.jp2: its plane is incomplete"):
        open_volumes([tmp_path])


def test_jpeg_2000_may_have_metadata_behind_its_image(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    for index, plane in enumerate(DATA):
        coded = imagecodecs.jpeg2k_encode(plane, codecformat="jp2", reversible=True)
        place = coded.index(b"jp2c") - 4
        coded = coded[:place] + (len(coded) - place).to_bytes(4) + coded[place + 4 :]
        (tmp_path / f"rec_{index:05d}.jp2").write_bytes(coded + b"\0\0\0\x0cxml <a/>")
    np.testing.assert_array_equal(read(tmp_path), DATA)
    victim = tmp_path / "rec_00003.jp2"
    victim.write_bytes(victim.read_bytes()[:-13])
    with pytest.raises(SourceError, match=r"rec_00003\.jp2: its plane is incomplete"):
        open_volumes([tmp_path])


def test_vol_is_read_as_its_text_describes_it(tmp_path: Path) -> None:
    path = vol(tmp_path, DATA)
    assert only(path).dtype == "float32"
    assert only(path).voxel_size_um == pytest.approx((0.65,) * 3)
    np.testing.assert_array_equal(read(path), DATA)
    info = path.with_name("volume.vol.info")
    text = info.read_text()
    info.write_text(text.replace("LOW", "HIGH").replace("0.650000", "40.0"))
    DATA.astype(">f4").tofile(path)
    np.testing.assert_array_equal(read(path), DATA)
    assert only(path).voxel_size_um is None, "nabu writes 40 if it does not know it"


@pytest.mark.parametrize(("dtype", "each"), [("<f8", "8"), ("<u2", "2"), ("u1", "1"), ("<i2", "2")])
def test_a_vol_of_another_type_is_named_by_its_size(dtype: str, each: str, tmp_path: Path) -> None:
    path = vol(tmp_path, DATA)
    (DATA % 100).astype(dtype).tofile(path)
    with pytest.raises(SourceError, match=rf"{each} bytes a voxel, float32 has 4.* as float32"):
        open_volumes([path])


@pytest.mark.parametrize("written", ["<f8", ">f4"])
@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e5])
def test_a_vol_of_the_right_size_whose_bytes_are_no_float32_is_seen(
    size: float, written: str, tmp_path: Path
) -> None:
    data = np.random.default_rng(1).normal(0.0, size, (12, 64, 64))
    path = vol(tmp_path, data)
    assert only(path).shape == data.shape
    path.write_bytes(data.astype(written).tobytes()[: path.stat().st_size])
    with pytest.raises(SourceError, match=r"they are not float32, or BYTEORDER .* is wrong"):
        open_volumes([path])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path, info: info.unlink(), "volume.vol.info is missing"),
        (lambda path, info: info.write_text("NUM_X = 20\n"), "NUM_Z, NUM_Y, NUM_X are"),
        (lambda path, info: path.write_bytes(path.read_bytes()[:-1]), "has 15359 bytes, expected"),
    ],
)
def test_a_vol_that_is_not_complete_is_named(change: Any, said: str, tmp_path: Path) -> None:
    path = vol(tmp_path, DATA)
    change(path, path.with_name("volume.vol.info"))
    with pytest.raises(SourceError, match=said):
        open_volumes([path])


def test_npy_holds_one_volume(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(npy(tmp_path, DATA)), DATA)
    for wrong in (DATA[0], np.asfortranarray(DATA), np.array([[[None]]])):
        np.save(tmp_path / "wrong.npy", wrong, allow_pickle=True)
        with pytest.raises(SourceError, match="expected a volume"):
            open_volumes([tmp_path / "wrong.npy"])
    path = npy(tmp_path, DATA)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match="is cut short"):
        open_volumes([path])
