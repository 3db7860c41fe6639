"""File descriptors, of which a process has only so many: connections and files share them."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S, PAUSE_S = 10.0, 0.02
"""Idle connections are disconnected meanwhile (`sockets.accepted`)."""
TOO_MANY = (errno.EMFILE, errno.ENFILE)
IN_HDF5 = re.compile(rf"errno = ({'|'.join(map(str, TOO_MANY))})\b|Too many open files")

Opened = TypeVar("Opened")


def are_exhausted(error: BaseException) -> bool:
    """Whether a file could not be opened because too many are open, of this process or in all."""
    if isinstance(error, OSError) and error.errno in TOO_MANY:
        return True
    return IN_HDF5.search(str(error)) is not None


def when_free(opening: Callable[[], Opened]) -> Opened:
    """Opens a file, once there is a descriptor for it. Raises what `opening` raises; OSError if
    there is none for PATIENCE_S seconds."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return opening()
        except OSError as error:
            if not are_exhausted(error) or time.monotonic() > end:
                raise
        time.sleep(PAUSE_S)
