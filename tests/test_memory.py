"""Freed memory goes back, whatever else the process does meanwhile."""

import gc
import os
import sys
import threading
import weakref
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor import memory
from tests.helpers.waiting import eventually

PIECE = 64 * 1024  # below what the C library takes by mmap
PIECES = 1600


def resident_MB():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc and /proc are needed")
def test_what_is_freed_between_what_stays_goes_back():
    pieces = [np.ones(PIECE, np.uint8) for _ in range(PIECES)]
    kept = pieces[::2]
    del pieces
    before = resident_MB()
    assert memory.give_back()
    assert before - resident_MB() > 0.7 * (PIECES - len(kept)) * PIECE / 1e6
    assert all(piece.all() for piece in kept)


def test_hdf5_may_be_used_by_another_thread_meanwhile(tmp_path):
    written, failed, stop = [0], [], threading.Event()

    def write():
        try:
            while not stop.is_set():
                with h5py.File(tmp_path / "a.h5", "w") as file:
                    file.create_dataset("x", data=np.arange(1000), chunks=(100,), compression=4)
                with h5py.File(tmp_path / "a.h5") as file:
                    np.testing.assert_array_equal(file["x"][...], np.arange(1000))
                written[0] += 1
        except Exception as error:
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            memory.give_back()
        eventually(lambda: memory.give_back() is not None and (written[0] or failed))
    finally:
        stop.set()
        writer.join()
    assert not failed
    assert written[0] > 0


def test_without_h5py_and_another_c_library_it_does_nothing(monkeypatch):
    monkeypatch.setattr(memory, "_trim", None)
    monkeypatch.delitem(sys.modules, "h5py")
    assert memory.give_back() is False


def test_what_is_settled_is_not_collected_again_and_what_comes_later_is():
    class Thing:
        pass

    def cycle():
        one, two = Thing(), Thing()
        one.other, two.other = two, one
        return weakref.ref(one)

    memory.settle()
    try:
        frozen = gc.get_freeze_count()
        assert frozen > 1000
        later = cycle()
        gc.collect()
        assert later() is None
        assert gc.get_freeze_count() <= frozen, "what comes later is not settled"
    finally:
        gc.unfreeze()
