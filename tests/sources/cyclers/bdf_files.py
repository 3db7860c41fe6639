"""Tables of Battery Data Format, written by the Battery Data Alliance's own library."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own deprecations
    import bdf
    from bdf import io

UNIX_S = 1.7e9


def frame(rows: int = 12) -> pd.DataFrame:
    """A constant current that discharges, in three cycles."""
    row = np.arange(rows)
    return pd.DataFrame(
        {
            "Test Time / s": 5.0 + 10.0 * row,
            "Voltage / V": 2.4 - 0.001 * row,
            "Current / A": np.full(rows, -0.00025),
            "Unix Time / s": UNIX_S + 10.0 * row,
            "Cycle Count / 1": row // 4,
            "Net Capacity / Ah": -0.00025 * 10.0 * row / 3600.0,
        }
    )


def save(table: pd.DataFrame, path: Path, *, human: bool = True) -> Path:
    """With labels, or machine-readable names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        io.save(table, path, human=human)
    return path


def read(path: Path) -> pd.DataFrame:
    """A file of any format that the library knows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bdf.read(path)
