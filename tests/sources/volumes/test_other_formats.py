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
