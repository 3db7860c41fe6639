"""Cycler files read to their end: what a reader gives look by look, as one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np

from monitor.sources.cyclers.eclab.mpt import MptParser
from monitor.sources.cyclers.readers import follow
from monitor.sources.cyclers.table import COLUMNS, CyclerTable


def read_cycler(path: Path) -> CyclerTable:
    """All readings of a file that does not grow."""
    stop = Event()
    stop.set()
    return joined(follow(path, stop=stop, poll_s=0.0))


def parsed(data: bytes, size: int = 0) -> CyclerTable:
    """All readings of EC-Lab text, fed whole or in pieces."""
    parser, step = MptParser("cell.mpt"), size or max(1, len(data))
    pieces = [parser.feed(data[first : first + step]) for first in range(0, len(data), step)]
    return joined([*pieces, parser.finish()])


def joined(tables: Iterable[CyclerTable]) -> CyclerTable:
    """The readings of all; what is said of the file is what the last of them says."""
    told = list(tables)
    columns = {name: np.concatenate([getattr(one, name) for one in told]) for name in COLUMNS}
    return replace(told[-1], **columns)
