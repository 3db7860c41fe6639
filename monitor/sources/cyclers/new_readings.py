"""A file that grows is looked at again and again; each look gives the readings that are new."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from monitor.errors import SourceError
from monitor.sources.cyclers.table import CyclerTable, after

Look = Callable[[bool], CyclerTable]
"""Gives what is new in a file; told whether it is the last look."""


class Parser(Protocol):
    """Takes a text file in pieces of any size."""

    def feed(self, data: bytes) -> CyclerTable:
        """The readings in the lines that `data` completes."""
        ...

    def finish(self) -> CyclerTable:
        """The reading in a last line without its end, or none."""
        ...


def at_lines(path: Path, parser: Parser) -> Look:
    """Looks at a text file from where the last one ended.

    A last line without its end counts only in a file that has not grown: else it may be half a
    line.
    """
    position = began = -1

    def look(ending: bool) -> CyclerTable:
        nonlocal position, began
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < position:
                raise _shorter(path)
            file.seek(max(position, 0))
            data = file.read()
        position = max(position, 0) + len(data)
        began = position if began < 0 else began
        return parser.finish() if ending and position == began else parser.feed(data)

    return look


def at_whole_file(path: Path, read: Callable[[], CyclerTable], every: int) -> Look:
    """Reads the file whole in the first, the last and every so many looks, if it has changed.

    A file that cannot be read while it is written to is tried again; at the first and the last look
    it must be readable.
    """
    whole: CyclerTable | None = None
    looks, seen = 0, (0, 0)

    def look(ending: bool) -> CyclerTable:
        nonlocal whole, looks, seen
        looks += 1
        stat = path.stat()
        now = (stat.st_size, stat.st_mtime_ns)
        if whole is not None and (now == seen or not (ending or looks % every == 0)):
            return after(whole, len(whole))
        try:
            table = read()
        except SourceError:
            if whole is None or ending:
                raise
            return after(whole, len(whole))
        count = 0 if whole is None else len(whole)
        if len(table) < count:
            raise _shorter(path)
        whole, seen = table, now
        return after(table, count)

    return look


def _shorter(path: Path) -> SourceError:
    return SourceError(f"{path}: became shorter while it was followed; start again")
