"""Disk space is set aside before HDF5 writes, and given back."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.recording.write import disk_space
from monitor.recording.write.scan_file import ScanFile
from monitor.records import SliceFrame
from tests.core.phantom import start

SHAPE = (6, 32, 40)
BLOCK = 512

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fallocate is Linux's")


def slice_of(index: int) -> SliceFrame:
    data = np.random.default_rng(index).integers(0, 60000, SHAPE[1:], np.uint16)
    return SliceFrame("A", 0, "s", index + 1, index, data)


@linux
def test_reserved_bytes_are_taken_from_the_disk_and_given_back(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_bytes(b"12345")
    disk_space.reserve(path, 0, 2**20)
    assert path.stat().st_size == 5
    if path.stat().st_blocks * BLOCK < 2**20:
        pytest.skip("this file system reserves nothing")
    disk_space.release(path)
    assert path.read_bytes() == b"12345" and path.stat().st_blocks * BLOCK < 2**20


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_found_before_hdf5_writes(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ScanFile(tmp_path / "scan_0000.h5", start(SHAPE), keep_slices=True)
    assert file.add(slice_of(0))
    file.flush()
    before = file.part.read_bytes()

    def full(*_: object) -> int:
        disk_space.ctypes.set_errno(code)
        return -1

    with monkeypatch.context() as patched:
        patched.setattr(disk_space, "_fallocate", full)
        with pytest.raises(OSError) as raised:
            file.add(slice_of(1))
    assert raised.value.errno == code and file.part.read_bytes() == before
    assert file.add(slice_of(1)), "tried again when there is room"
    file.close()
    with h5py.File(file.part) as kept:
        assert list(kept["entry/ledger/received"][:3]) == [1, 1, 0]


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_that_reserves_nothing_is_written_to_as_ever(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> int:
        disk_space.ctypes.set_errno(code)
        return -1

    monkeypatch.setattr(disk_space, "_fallocate", unable)
    file = ScanFile(tmp_path / "scan_0000.h5", start(SHAPE), keep_slices=True)
    assert all(file.add(slice_of(index)) for index in range(SHAPE[0]))
    file.close()
    with h5py.File(file.part) as kept:
        assert kept["entry/reconstruction/data"][5].tobytes() == slice_of(5).data.tobytes()


def test_a_disk_that_fills_while_a_file_is_made_costs_an_error_and_no_file(
    tmp_path: Path,
) -> None:
    file = ScanFile(tmp_path / "scan_0000.h5", start(SHAPE), keep_slices=True)
    target = Path("/dev/full")
    if not target.exists():
        pytest.skip("no /dev/full here")
    file.part.symlink_to(target)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        file.add(slice_of(0))
    assert not os.path.lexists(file.part)
    assert file.add(slice_of(0))
    file.close()
    with h5py.File(file.part) as kept:
        assert kept["entry/reconstruction/data"][0].tobytes() == slice_of(0).data.tobytes()


@linux
def test_a_closed_file_holds_no_more_than_it_needs(tmp_path: Path) -> None:
    file = ScanFile(tmp_path / "scan_0000.h5", start(SHAPE), keep_slices=True)
    for index in range(SHAPE[0]):
        file.add(slice_of(index))
    file.close()
    status = file.part.stat()
    assert status.st_blocks * BLOCK < status.st_size + 2**20 < disk_space.LAST_BYTES
