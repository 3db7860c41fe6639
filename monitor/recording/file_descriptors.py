"""File descriptors, of which a process has only so many: connections and files share them.

ZeroMQ accepts connections for as long as the system gives it descriptors, and takes each one that
becomes free. So some are kept from it: the limit is lowered by so many, and raised again only for
the moment in which a file is opened.
"""

from __future__ import annotations

import contextlib
import errno
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

if sys.platform != "win32":
    import resource

PATIENCE_S, PAUSE_S = 10.0, 0.02
"""Idle connections are disconnected meanwhile (`sockets.accepted`)."""
KEPT = 64
"""Descriptors that only files get."""
TOO_MANY = (errno.EMFILE, errno.ENFILE)
IN_HDF5 = re.compile(rf"errno = ({'|'.join(map(str, TOO_MANY))})\b|Too many open files")

Opened = TypeVar("Opened")


def are_exhausted(error: BaseException) -> bool:
    """Whether a file could not be opened because too many are open, of this process or in all."""
    if isinstance(error, OSError) and error.errno in TOO_MANY:
        return True
    return IN_HDF5.search(str(error)) is not None


class _Kept:
    """The descriptors that are kept for files; none before `begin`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening = 0
        self._limits: tuple[int, int] | None = None

    def begin(self) -> None:
        with self._lock:
            if sys.platform != "win32" and self._limits is None:
                limits = resource.getrlimit(resource.RLIMIT_NOFILE)
                if limits[0] != resource.RLIM_INFINITY and limits[0] > 2 * KEPT:
                    self._limits = limits
                    self._permit(KEPT)

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        with self._lock:
            self._opening += 1
            self._permit(0)
        try:
            yield
        finally:
            with self._lock:
                self._opening -= 1
                if not self._opening:
                    self._permit(KEPT)

    def _permit(self, kept: int) -> None:
        if sys.platform != "win32" and self._limits is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._limits[0] - kept, self._limits[1]))


_kept = _Kept()
keep_for_files = _kept.begin
"""From now on, KEPT descriptors are for those who open by `when_free`."""


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
        try:
            with _kept.given():
                return opening()
        except OSError as error:
            if not are_exhausted(error):
                raise
        time.sleep(PAUSE_S)
