"""Names, units and chunks of a recorded experiment: what `write` and `read` must agree on."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import hdf5plugin

from monitor.quantities import table
from monitor.quantities.quantity import Quantity
from monitor.records import LengthUnit, Summary

FORMAT = 1
SETTINGS_FILE = "experiment.toml"
JOURNAL_FILE = "journal.jsonl"
EVENTS_FILE = "events.jsonl"
CYCLER_FILE = "cycler.h5"
CHANNELS_FILE = "channels.h5"
ERRORS_FILE = "errors.log"
PART = ".part"
OLD = ".old"
"""Put behind `.part` of a recording that is resumed, until that has been written again."""

HDF5_VERSION = ("v110", "v110")
"""Oldest file format that a reader may follow while it grows (SWMR)."""

SENT = "sent_scan"
"""Attribute of a scan whose number is not the one that was sent: that one."""

SLICES = "entry/reconstruction/data"
MAP_GROUPS: dict[str, str] = {
    **dict.fromkeys(table.INTERFACE_MAPS, "entry/interface"),
    **dict.fromkeys(table.CURRENT_MAPS, "entry/current_density"),
}
PIT_LABELS = table.LABELS.name
LACKING = "slices_not_recorded"
LATE = "slices_late"
"""Scalars of the summary that only the file knows."""

CYCLER_COLUMNS = {name: one.recorded_units("µm") for name, one in table.READINGS.items()}
"""Unit of each column of `cycler.h5`."""
CHANNEL_COLUMNS = ("time", "value")
"""Columns of each channel."""

TEXT_BYTES = 128
SCAN_FILE = re.compile(r"scan_\d{4,18}\.h5")
"""What `scan_name` may give."""


def scan_name(number: int) -> str:
    """File name of a scan."""
    return f"scan_{number:04d}.h5"


def master_name(cell: str) -> str:
    """File name of a cell's NeXus master."""
    return f"{cell}.nxs"


def iso_time(seconds: float) -> str:
    """UTC seconds as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def version_of(package: str) -> str:
    """The version that is installed, "unknown" if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def compression() -> Mapping[str, object]:
    """Keywords for `create_dataset`: bitshuffle + LZ4."""
    return dict(hdf5plugin.Bitshuffle(cname="lz4"))


def summary_keys(length_unit: LengthUnit) -> tuple[str, ...]:
    """Scalars of every scan under `/entry/summary`; in voxels too if the voxel size is unknown."""
    return _keys(table.SCALARS, length_unit)


def pit_names(length_unit: LengthUnit) -> tuple[str, ...]:
    """Columns under `/entry/pits`; in voxels too if the voxel size is unknown."""
    return _keys(table.PIT_COLUMNS, length_unit)


def _keys(quantities: Mapping[str, Quantity], length_unit: LengthUnit) -> tuple[str, ...]:
    units = dict.fromkeys(("µm", length_unit))
    return tuple(dict.fromkeys(one.key(unit) for unit in units for one in quantities.values()))


def stored_scalar(key: str, value: Any) -> float | bytes:
    """The value as it is in the file: None is NaN for a number, "" for text."""
    if table.form_of(key) == "text" or isinstance(value, str):
        return stored_text(str(value or ""))
    return float("nan") if value is None else float(value)


def stored_text(text: str) -> bytes:
    """Text as UTF-8 that fits, cut between two characters; "?" for what no UTF-8 says."""
    whole = text.encode("utf-8", "replace").replace(b"\0", b"?")
    return whole[:TEXT_BYTES].decode("utf-8", "ignore").encode()


def read_scalar(key: str, value: Any) -> Any:
    """What `stored_scalar` was given: NaN and "" are None again."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "ignore") or None  # older versions cut within a character
    number = float(value)
    if number != number:
        return None
    form = table.form_of(key)
    if form == "flag":
        return bool(number)
    return int(number) if form == "count" else number


def is_scalar(value: Any) -> bool:
    """True for what `/entry/summary` can hold."""
    return value is None or isinstance(value, str | int | float) or hasattr(value, "__float__")


def chunk_rows(rows: int, row_bytes: int, target_bytes: int = 2**19) -> int:
    """Rows of a plane that make one chunk of about `target_bytes`.

    A vertical section reads one chunk of each slice: smaller chunks make it quick, larger ones make
    fewer of them to keep track of.
    """
    return max(1, min(rows, target_bytes // max(1, row_bytes)))


def scalars(summary: Summary, length_unit: LengthUnit) -> dict[str, float | bytes]:
    """`summary` as it goes into the file: all known keys, then whatever else is a scalar."""
    keys = dict.fromkeys((*summary_keys(length_unit), *summary))
    return {
        key: stored_scalar(key, summary.get(key)) for key in keys if is_scalar(summary.get(key))
    }
