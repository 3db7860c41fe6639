"""Freed memory goes back to the system; left to itself, the C library keeps it in pieces."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
UNKNOWN_BYTES = 16 * 2**30
"""Taken to be there if the system does not say."""


def machine_bytes() -> int:
    """Memory that this process may use: the machine's, or what its container or service is limited
    to (cgroup v2), if that is less."""
    if not hasattr(os, "sysconf"):
        return UNKNOWN_BYTES
    known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_limits_of_groups()]
    return min(known)


def _limits_of_groups() -> list[int]:
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        own = Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].split(":")[2]
        group = CGROUPS / own.lstrip("/")
        for folder in (group, *group.parents):
            limit = folder / "memory.max"
            if limit.is_file() and (text := limit.read_text().strip()).isdigit():
                found.append(int(text))
            if folder == CGROUPS:
                break
    return found


def _trimmer() -> Callable[[int], int] | None:
    """`malloc_trim` of glibc; None if the C library is another one."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


_trim = _trimmer()


def _empty_hdf5() -> None:
    """Frees the lists of freed objects that HDF5 keeps: they lie all over the heap."""
    if (h5py := sys.modules.get("h5py")) is None:
        return
    with contextlib.suppress(AttributeError, OSError):
        collect = ctypes.PyDLL(h5py.h5.__file__).H5garbage_collect
        with h5py._objects.phil:  # h5py's own lock around the library
            collect()


def give_back() -> bool:
    """Hands back what is freed but held, of all threads: a millisecond for each 100 MB or so, in
    which the interpreter lock is free. False if the C library cannot."""
    _empty_hdf5()
    return _trim is not None and bool(_trim(0))


def settle() -> None:
    """What is there now stays: Python's collector need not look at it again. It then arrives often,
    in a millisecond, if it arrived seldom, for a tenth of a second, and left much lying meanwhile.
    """
    gc.collect()
    gc.freeze()
