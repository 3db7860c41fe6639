"""EC-Lab files → readings: text (`.mpt`) parsed here, binary (`.mpr`) in a subprocess.

The start time of a file has no time zone: it is taken as UTC unless one is given, and the table
says so.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from threading import Event

import numpy as np

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.cycler_table import Carry, CyclerTable, derive, make_table
from monitor.sources.mpt import MptParser

MPR_MAGIC = b"BIO-LOGIC MODULAR FILE"
MPR_MISSING_EXIT = 3
MPR_TIMEOUT_S = 300.0

__all__ = ["CyclerTable", "follow", "read_cycler"]


def read_cycler(path: Path, tz: tzinfo | None = None) -> CyclerTable:
    """All readings of an EC-Lab file, `.mpt` or `.mpr`; `tz` is the zone of its start time."""
    try:
        with path.open("rb") as file:
            if file.read(len(MPR_MAGIC)) == MPR_MAGIC:
                return _read_mpr(path, tz)
            file.seek(0)
            parser = MptParser(str(path), tz)
            parser.feed(file.read())
            return parser.close()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def follow(
    path: Path, *, stop: Event, poll_s: float = 1.0, tz: tzinfo | None = None
) -> Iterator[CyclerTable]:
    """The readings of a growing `.mpt`, as lines are completed, until `stop` is set."""
    parser = MptParser(str(path), tz)
    position = 0
    while True:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < position:
                    raise SourceError(f"{path}: became shorter while followed; start again")
                file.seek(position)
                data = file.read()
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
        position += len(data)
        table = parser.feed(data)
        if len(table):
            yield table
        if stop.wait(poll_s):
            return


def _read_mpr(path: Path, tz: tzinfo | None) -> CyclerTable:
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "monitor.sources.mpr", str(path)],
            capture_output=True,
            timeout=MPR_TIMEOUT_S,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{path}: its reader took over {MPR_TIMEOUT_S:.0f} s; stopped") from None
    if done.returncode == MPR_MISSING_EXIT:
        raise MissingSoftware(
            f"{path}: reading .mpr needs galvani, which is not installed; run "
            "'pip install galvani', or export the file as text (.mpt) in EC-Lab"
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
    derived = derive(columns, columns["time/s"].size, Carry())
    return make_table(derived, start.timestamp() if start else None, tz is None, 0)
