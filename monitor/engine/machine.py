"""How the engine shares the machine: cores with its receiving thread, memory with the system."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
import threading
from pathlib import Path

import numba

from monitor.memory import machine_bytes
from monitor.records import ScanStart

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8
MADV_HUGEPAGE, MADV_POPULATE_WRITE = 14, 23
HUGE = 2 * 2**20
LARGEST_KEPT = 32 * 2**20
NEVER_TRIM = -1  # read as the largest size there is
GROW_BY = 64 * 2**20
LARGEST_READY = 2**31 - 2**20
FETCHED_AT_ONCE = 64 * 2**20
TURN_S = 0.0005


def leave_a_core() -> None:
    """Compute on all cores but one, in the thread that calls this.

    A parallel kernel waits for its slowest thread: if that thread shares its core with ZeroMQ's
    receiving thread, more is lost than the additional core gains.
    """
    numba.set_num_threads(max(1, numba.config.NUMBA_NUM_THREADS - 1))


def take_short_turns() -> None:
    """Pass on the interpreter's lock ten times as often as by default.

    The computing thread releases it at every kernel and message, and would otherwise wait 5 ms each
    time until the recorder releases it.
    """
    sys.setswitchinterval(TURN_S)


def allow_files() -> int:
    """Lets this process open as many files and connections as the system permits without asking
    (the hard limit); returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def keep_memory() -> None:
    """Reuse the memory of freed slices for the next ones, instead of returning it to the system
    page by page.

    Allocating fresh pages for each slice takes as long as receiving it. glibc only; elsewhere
    nothing is done. To be called before threads are started.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)


class ReadyMemory:
    """Memory for the slices of the first scan, fetched in the background once its header says how
    large they are, so that they need not wait for fresh pages."""

    def __init__(self, limit_MB: float) -> None:
        """`limit_MB`: no more than that; nor more than an eighth of the machine's memory."""
        self._limit = int(min(limit_MB * 1e6, machine_bytes() / 8, LARGEST_READY))

    def fetch(self, start: ScanStart) -> None:
        """For the volume of a scan, if it is the first. Slices too large for the heap are left to
        the system."""
        size, self._limit = min(self._limit, start.slice_count * start.slice_bytes), 0
        libc = _glibc()
        if libc is None or size <= LARGEST_KEPT or start.slice_bytes > LARGEST_KEPT:
            return
        begin, length = _grow(libc, size)
        threading.Thread(target=_fetch, args=(libc, begin, length), daemon=True).start()


def _glibc() -> ctypes.CDLL | None:
    """The C library, if it has settings for how its heap keeps memory."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return libc if hasattr(libc, "mallopt") else None


def _grow(libc: ctypes.CDLL, size: int) -> tuple[int, int]:
    """Grow the heap by `size` in one piece: where its whole huge pages begin, and their bytes."""
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.mallopt(M_TOP_PAD, size)
    piece = libc.malloc(LARGEST_KEPT // 2)
    libc.mallopt(M_TOP_PAD, GROW_BY)
    if not piece:
        return 0, 0
    begin = -(-piece // HUGE) * HUGE
    end = min(_end_of_heap(), piece + size) // HUGE * HUGE
    libc.free(piece)
    return begin, max(0, end - begin)


def _fetch(libc: ctypes.CDLL, begin: int, length: int) -> None:
    """Have pages of the heap there before they are used; what they hold stays as it is."""
    if length:
        libc.madvise(begin, length, MADV_HUGEPAGE)
    for offset in range(0, length, FETCHED_AT_ONCE):
        size = min(FETCHED_AT_ONCE, length - offset)
        if libc.madvise(begin + offset, size, MADV_POPULATE_WRITE):
            return  # a kernel before 5.14 cannot, or memory is short: pages come as they are used


def _end_of_heap() -> int:
    """Where the heap's last mapping ends; 0 where the system does not tell."""
    try:
        mappings = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return 0
    ends = [int(line.split()[0].split("-")[1], 16) for line in mappings if line.endswith("[heap]")]
    return max(ends, default=0)
