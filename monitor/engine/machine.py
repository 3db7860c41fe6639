"""How the engine shares a machine: cores with its own receiving thread, memory with the system."""

from __future__ import annotations

import ctypes
import sys

import numba

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST_KEPT = 32 * 2**20
NEVER_TRIM = 2**31 - 1


def leave_a_core() -> None:
    """Compute on all cores but one, in the thread that calls this.

    A parallel kernel waits for its slowest thread: sharing that one's core with ZeroMQ's receiving
    thread costs more than the core brings.
    """
    numba.set_num_threads(max(1, numba.config.NUMBA_NUM_THREADS - 1))


def keep_memory() -> None:
    """Let freed slices serve for the next ones, instead of going back to the system page by page.

    Fetching fresh pages for each slice costs as much time as receiving it. glibc only; elsewhere
    nothing is done. To be called before threads are started.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
