"""Whether the disk has room, asked before anything is written: what fails in the middle of a write
may cost an HDF5 file more than that write. And how the system is made to write early."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.recording import file_descriptors

LEAST_FREE_BYTES = 2**26
"""A recording is not begun with less, and slices and maps leave as much: for journal and events."""
LAST_BYTES = 2**22
"""What small writes leave, so that a file's own structure can still be written."""


def need(folder: Path, size: int = 0, *, leave: int = LEAST_FREE_BYTES) -> None:
    """Raises OSError (ENOSPC) where fewer than `leave` bytes would be free after `size` more."""
    if shutil.disk_usage(folder).free < size + leave:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def reserve(path: Path, begin: int, size: int) -> None:
    """Sets these bytes of the disk aside for a file that exists and keeps its size. HDF5 may crash
    if the disk is full when it writes; so that is found out before. `release` gives back what was
    not used.

    Raises OSError (ENOSPC). Does nothing on systems and file systems that cannot do so.
    """
    if _fallocate is None:
        return
    descriptor = file_descriptors.when_free(lambda: os.open(path, os.O_RDWR))
    try:
        if _fallocate(descriptor, _KEEP_SIZE, begin, size):
            code = ctypes.get_errno()
            if code in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def release(path: Path) -> None:
    """Gives back what was reserved behind the end of a file."""
    os.truncate(path, path.stat().st_size)


def begin_writing(descriptor: int) -> None:
    """Has the system begin to write what it holds of a file, and waits for nothing: otherwise the
    disk rests until the end of a scan, and is waited for then. Does nothing elsewhere than on
    Linux."""
    if _sync_range is not None:
        _sync_range(descriptor, 0, 0, _BEGIN)


_KEEP_SIZE = 1
_BEGIN = 2


def _system_call(name: str, *types: Any) -> Callable[[int, int, int, int], int] | None:
    """A call of Linux that Python itself has not, or not with all that it can do."""
    if not sys.platform.startswith("linux"):
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if call is not None:
        call.argtypes, call.restype = types, ctypes.c_int
    return call


_fallocate = _system_call("fallocate64", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_range = _system_call(
    "sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint
)


def is_enough(folder: Path) -> bool:
    """Whether slices and maps find room."""
    try:
        need(folder)
    except OSError:
        return False
    return True
