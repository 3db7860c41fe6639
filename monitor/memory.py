"""Freed memory goes back to the system; left to itself, the C library keeps it in pieces."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable


def _trimmer() -> Callable[[int], int] | None:
    """`malloc_trim` of glibc; None where the C library is another one."""
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
    which the interpreter lock is free. False where the C library cannot."""
    _empty_hdf5()
    return _trim is not None and bool(_trim(0))


def settle() -> None:
    """What is there now stays: Python's collector need not look at it again. It then comes often,
    in a millisecond, where it came seldom, for a tenth of a second, and left much lying meanwhile.
    """
    gc.collect()
    gc.freeze()
