"""EC-Lab files → readings: text (`.mpt`) parsed here, binary (`.mpr`) in a subprocess.

The start time of a file has no time zone: it is taken as UTC unless one is given, and the table
says so. A file that grows is read on from where it was: text as lines are completed, a binary
file whole, each time it has changed.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from threading import Event

import numpy as np

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.cyclers.mpt import MptParser
from monitor.sources.cyclers.table import (
    COLUMNS,
    Carry,
    CyclerTable,
    derive,
    make_table,
)

MPR_MAGIC = b"BIO-LOGIC MODULAR FILE"
MPR_MISSING_EXIT = 3
MPR_TIMEOUT_S = 300.0
MPR_EVERY = 5
"""A growing .mpr is looked at in every fifth look only: it is read whole, by another process."""

__all__ = ["CyclerTable", "follow", "read_cycler"]


def read_cycler(path: Path, tz: tzinfo | None = None) -> CyclerTable:
    """All readings of an EC-Lab file, `.mpt` or `.mpr`; `tz` is the zone of its start time.

    Raises SourceError, and MissingSoftware for `.mpr` without its reader.
    """
    try:
        if _is_binary(path):
            return _read_mpr(path, tz)
        parser = MptParser(str(path), tz)
        parser.feed(path.read_bytes())
        return parser.close()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def follow(
    path: Path, *, stop: Event, poll_s: float = 1.0, tz: tzinfo | None = None
) -> Iterator[CyclerTable]:
    """The readings of a growing file, new ones each time, until `stop` is set; then a last look.

    The first table, which may be empty, is what the file holds at the start. Of text, a last line
    without its end counts only in a file that has not grown: else it may be half a line. A binary
    file that cannot be read while it is written to is tried again; at the first and the last look
    it must be readable.
    Looks are `poll_s` apart. Raises SourceError, and MissingSoftware as `read_cycler`.
    """
    try:
        looks = _looks_at_mpr(path, tz) if _is_binary(path) else _looks_at_mpt(path, tz)
        yield looks(False)
        ending = False
        while not ending:
            ending = stop.wait(poll_s)
            if len(table := looks(ending)):
                yield table
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from None


Look = Callable[[bool], CyclerTable]
"""Gives what is new in a file; told whether it is the last look."""


def _looks_at_mpt(path: Path, tz: tzinfo | None) -> Look:
    parser = MptParser(str(path), tz)
    position = began = -1

    def look(ending: bool) -> CyclerTable:
        nonlocal position, began
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < position:
                raise SourceError(f"{path}: became shorter while followed; start again")
            file.seek(max(position, 0))
            data = file.read()
        position = max(position, 0) + len(data)
        began = position if began < 0 else began
        return parser.finish() if ending and position == began else parser.feed(data)

    return look


def _looks_at_mpr(path: Path, tz: tzinfo | None) -> Look:
    whole: CyclerTable | None = None
    looks, seen = 0, (0, 0)

    def look(ending: bool) -> CyclerTable:
        nonlocal whole, looks, seen
        looks += 1
        stat = path.stat()
        now = (stat.st_size, stat.st_mtime_ns)
        if whole is not None and (now == seen or not (ending or looks % MPR_EVERY == 0)):
            return _after(whole, len(whole))
        try:
            table = _read_mpr(path, tz)
        except SourceError:
            if whole is None or ending:
                raise
            return _after(whole, len(whole))
        count = 0 if whole is None else len(whole)
        if len(table) < count:
            raise SourceError(f"{path}: became shorter while followed; start again")
        whole, seen = table, now
        return _after(table, count)

    return look


def _after(table: CyclerTable, count: int) -> CyclerTable:
    """The table without its first `count` readings."""
    columns = {name: getattr(table, name)[count:] for name in COLUMNS}
    return replace(table, **columns)


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MPR_MAGIC)) == MPR_MAGIC


def _read_mpr(path: Path, tz: tzinfo | None) -> CyclerTable:
    root = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "monitor.sources.cyclers.mpr", str(path)],
            capture_output=True,
            timeout=MPR_TIMEOUT_S,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{path}: its reader took over {MPR_TIMEOUT_S:.0f} s; stopped") from None
    if done.returncode == MPR_MISSING_EXIT:
        raise MissingSoftware(
            f"{path}: reading .mpr needs datalab-org-galvani, which is not installed; run "
            "'pip install datalab-org-galvani', or export the file as text (.mpt) in EC-Lab"
        )
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise SourceError(
            f"{path}: cannot be read as .mpr ({why[-1]}); export it as text (.mpt) in EC-Lab"
        )
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as file:
        names = [str(name) for name in file["names"]]
        columns = {name: file[f"column_{i}"] for i, name in enumerate(names)}
        started = str(file["started"])
    if "time/s" not in columns:
        raise SourceError(f"{path}: has no column time/s; export it as text (.mpt) in EC-Lab")
    start = datetime.fromisoformat(started).replace(tzinfo=tz or UTC) if started else None
    carry = Carry()
    derived = derive(columns, columns["time/s"].size, carry)
    notes = tuple(f"{path}: {line}" for line in carry.told())
    return make_table(derived, start.timestamp() if start else None, tz is None, 0, notes)
