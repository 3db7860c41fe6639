"""Battery Data Format (BDF) as Parquet, read whole each time it has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.cyclers.bdf import KNOWN, Readings, check_names, labels
from monitor.sources.cyclers.new_readings import Look, at_whole_file
from monitor.sources.cyclers.table import Column, CyclerTable
from monitor.sources.formats import Format, Software, one_line

FORMAT = Format(
    "Battery Data Format in Parquet",
    ".parquet",
    "at least one reading",
    software=Software("pyarrow", files=".parquet files", extra="parquet"),
)
MAGIC = b"PAR1"
EVERY = 5
"""A growing file is read in every fifth look only: it is read whole."""


def recognises(path: Path, head: bytes) -> bool:
    """By its first bytes."""
    return head.startswith(MAGIC)


def follow(path: Path) -> Look:
    """Looks at a file that grows."""
    return at_whole_file(path, lambda: read(path), EVERY)


def read(path: Path) -> CyclerTable:
    """All readings of a file. Raises SourceError, and MissingSoftware without pyarrow."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingSoftware(
            f"{path}: reading Parquet needs pyarrow, which is not installed; run "
            "\"pip install 'pitwatch[parquet]'\", or save the file as .bdf.csv"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            known = labels(names)
            check_names(str(path), known)
            used = dict(zip(known, names, strict=True))
            wanted = [name for name in KNOWN if name in used]
            stored = file.read([used[name] for name in wanted])
        columns, notes = {}, []
        for name in wanted:
            columns[name], note = _numbers(name, stored[used[name]].to_numpy())
            notes += note
    except (ArrowException, ValueError) as error:
        raise SourceError(
            f"{path}: cannot be read as Parquet ({one_line(error)}); save it again, or as .bdf.csv"
        ) from None
    skipped = int(np.isnan(columns["Test Time / s"]).sum())
    return Readings().table(columns, skipped, notes, str(path))


def _numbers(name: str, stored: NDArray[Any]) -> tuple[Column, list[str]]:
    """NaN for what is infinite, and for a column without numbers, which is reported."""
    try:
        values = np.asarray(stored, np.float64)
    except (TypeError, ValueError):
        return np.full(len(stored), np.nan), [f"column {name} holds no numbers: left out"]
    return np.where(np.isfinite(values), values, np.nan), []
