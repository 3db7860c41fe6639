"""The formats of cycler files that can be read: a module each, in the order they are tried in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Protocol

from monitor.errors import SourceError
from monitor.sources.cyclers import bdf, bdf_parquet
from monitor.sources.cyclers.eclab import mpr, mpt
from monitor.sources.cyclers.new_readings import Look
from monitor.sources.cyclers.table import CyclerTable
from monitor.sources.formats import Reader, head_of, listed

SHOWN = 60
"""So much of a file that is not recognised is shown."""


class CyclerReader(Reader, Protocol):
    """A module that reads one format."""

    def follow(self, path: Path) -> Look:
        """Looks at a file that grows (`new_readings.py` has two ways to), each of which may raise
        SourceError, MissingSoftware, or OSError."""
        ...


READERS: tuple[CyclerReader, ...] = (mpr, bdf, bdf_parquet, mpt)


def follow(path: Path, *, stop: Event, poll_s: float) -> Iterator[CyclerTable]:
    """The readings of a growing file, new ones each time, until `stop` is set; then a last look.

    The first table, which may be empty, is what the file holds at the start. Looks are `poll_s`
    apart. Raises SourceError, and MissingSoftware for a format that needs more than is installed.
    """
    try:
        look = reader_of(path).follow(path)
        yield look(False)
        ending = False
        while not ending:
            ending = stop.wait(poll_s)
            if len(table := look(ending)):
                yield table
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def reader_of(path: Path) -> CyclerReader:
    """The reader of this file. Raises SourceError if none recognises it, and OSError."""
    head = head_of(path)
    for reader in READERS:
        if reader.recognises(path, head):
            return reader
    first = head.split(b"\n", 1)[0][:SHOWN].decode("utf-8", "replace").rstrip()
    raise SourceError(
        f"{path}: is in no readable format (begins with {first!r}), expected "
        f"{listed(READERS)}; export the readings in one of these"
    )
