"""HDF5 files that are written so that a full disk costs an OSError and nothing else.

HDF5 may end the process, then or later, if the disk refuses while it writes or closes a file. So
a new file is laid out in memory and written by Python, and a file is changed only once its room
is reserved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

from monitor.recording import file_descriptors, format
from monitor.recording.write import disk_space


def write_new(path: Path, lay_out: Callable[[h5py.File], None]) -> None:
    """A new file, as `lay_out` makes it; nothing of it is left if the disk refuses. Raises
    OSError."""
    with h5py.File(
        path.name, "w", driver="core", backing_store=False, libver=format.HDF5_VERSION
    ) as file:
        lay_out(file)
        file.flush()
        image = file.id.get_file_image()
    try:
        with file_descriptors.when_free(lambda: path.open("wb")) as new:
            new.write(image)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def opened(path: Path) -> h5py.File:
    """A file that exists, to be written; room for what is written is the caller's to reserve.
    Raises OSError."""
    return file_descriptors.when_free(
        lambda: h5py.File(path, "r+", libver=format.HDF5_VERSION, locking=False)
    )


@contextlib.contextmanager
def changing(path: Path) -> Iterator[h5py.File]:
    """A file that exists, while a little of it is changed: its bytes, and LAST_BYTES after them,
    are reserved. Raises OSError, before anything is changed if the disk is full."""
    disk_space.reserve(path, 0, path.stat().st_size + disk_space.LAST_BYTES)
    try:
        with opened(path) as file:
            yield file
    finally:
        disk_space.release(path)
