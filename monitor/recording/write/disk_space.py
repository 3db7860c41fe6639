"""Whether the disk has room, asked before anything is written: what fails in the middle of a write
may cost an HDF5 file more than that write."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

LEAST_FREE_BYTES = 2**26
"""A recording is not begun with less, and slices and maps leave as much: for journal and events."""
LAST_BYTES = 2**22
"""What small writes leave, so that a file's own structure can still be written."""


def need(folder: Path, size: int = 0, *, leave: int = LEAST_FREE_BYTES) -> None:
    """Raises OSError (ENOSPC) where fewer than `leave` bytes would be free after `size` more."""
    if shutil.disk_usage(folder).free < size + leave:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def is_enough(folder: Path) -> bool:
    """Whether slices and maps find room."""
    try:
        need(folder)
    except OSError:
        return False
    return True
