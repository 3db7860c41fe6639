"""Names, units and chunks of a recorded experiment: what `write` and `read` must agree on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import hdf5plugin

from monitor.records import CURRENT_MAPS, INTERFACE_MAPS, LengthUnit
from monitor.wire.results.replies import pit_columns

FORMAT = 1
SETTINGS_FILE = "experiment.toml"
JOURNAL_FILE = "journal.jsonl"
EVENTS_FILE = "events.jsonl"
CYCLER_FILE = "cycler.h5"
ERRORS_FILE = "errors.log"
PART = ".part"
OLD = ".old"
"""Put behind `.part` of a recording that is gone on with, until that has been written again."""

HDF5_VERSION = ("v110", "v110")
"""Oldest file format that a reader may follow while it grows (SWMR)."""

SENT = "sent_scan"
"""Attribute of a scan whose number is not the one that was sent: that one."""

SLICES = "entry/reconstruction/data"
MAP_GROUPS: dict[str, str] = {
    **dict.fromkeys(INTERFACE_MAPS, "entry/interface"),
    **dict.fromkeys(CURRENT_MAPS, "entry/current_density"),
}
PIT_LABELS = "pit_labels"
LACKING = "slices_not_recorded"
LATE = "slices_late"
"""Scalar of the summary: how many slices came and are in the maps, but the disk refused them."""

CYCLER_COLUMNS = {
    "time": "s",
    "potential_V": "V",
    "current_mA": "mA",
    "charge_mAh": "mAh",
    "cycle": "1",
    "step": "1",
}

TEXTS = frozenset({"step", "reason", "request", "charge_state"})
COUNTS = frozenset(
    {
        "discharge",
        "pit_count",
        "pits_born",
        "pits_split",
        "pits_merged",
        "pits_vanished",
        "slices_missing",
        "slices_recovered",
        LACKING,
        LATE,
    }
)
FLAGS = frozenset({"complete_separated", "refined", "registered"})
TEXT_BYTES = 128

_LENGTHS = (
    "averaged",
    "averaged_error",
    "complete",
    "complete_error",
    "complete_low",
    "complete_high",
    "pit_depth_max",
    "pit_depth_mean",
    "pit_depth_ten",
    "pit_depth_p50",
    "pit_depth_p99",
    "pit_diameter_median",
    "pit_diameter_p99",
    "pit_detection_limit",
    "Sa",
    "Sq",
    "Sz",
    "Svk",
    "Vvv",
    "noise",
    "shift_x",
    "shift_y",
    "shift_error",
    "shift_z",
    "shift_z_error",
    "plated",
    "moss",
    "front_p99",
    "forecast_depth",
    "forecast_low",
    "forecast_high",
)
_OTHERS = (
    "charge_mAh_cm2",
    "charge_mAh",
    "current_mA_cm2",
    "mean_current_mA_cm2",
    "interval_current_mA_cm2",
    "soc",
    "step",
    "discharge",
    "discharge_charge_mAh_cm2",
    "discharge_current_mA_cm2",
    "coulometry_um",
    "complete_separated",
    "closure",
    "pit_count",
    "pits_born",
    "pits_split",
    "pits_merged",
    "pits_vanished",
    "pit_persistence",
    "pit_depth_growth",
    "pit_diameter_growth",
    "min_detectable_j_mA_cm2",
    "min_detectable_j_interval_mA_cm2",
    "pit_density_mm2",
    "pitting_factor",
    "pit_area_fraction",
    "j_p1",
    "j_p50",
    "j_p99",
    "j_running_p99",
    "collector_h",
    "collector_low_h",
    "collector_high_h",
    "informative_h",
    "Ssk",
    "Sku",
    "Sdr",
    "refined",
    "refine_memory_MB",
    "valid_fraction",
    "cnr",
    "grey_lithium",
    "grey_electrolyte",
    "grey_noise",
    "slices_missing",
    "slices_recovered",
    LACKING,
    LATE,
    "registered",
    "shift_doubtful",
    "tilt_x_mrad",
    "tilt_y_mrad",
    "tilt_error_mrad",
    "plated_in_pits",
    "plated_measured",
    "moss_share",
    "moss_porosity",
    "moss_porosity_error",
    "moss_porosity_by_charge",
    "moss_confidence",
    "time",
    "reason",
    "request",
    "charge_state",
)

_SUFFIX_UNITS = {
    "_mAh_cm2": "mAh/cm2",
    "_mA_cm2": "mA/cm2",
    "_mAh": "mAh",
    "_mm2": "1/mm2",
    "_mrad": "mrad",
    "_MB": "MB",
    "_h": "h",
    "_um": "µm",
    "_um2": "µm2",
    "_um3": "µm3",
    "_voxel": "voxel",
    "_voxel2": "voxel2",
    "_voxel3": "voxel3",
}
_NAME_UNITS = {
    **dict.fromkeys(("j_p1", "j_p50", "j_p99", "j_running_p99"), "mA/cm2"),
    "time": "s",
}


def scan_name(number: int) -> str:
    """File name of a scan."""
    return f"scan_{number:04d}.h5"


def master_name(cell: str) -> str:
    """File name of a cell's NeXus master."""
    return f"{cell}.nxs"


def iso_time(seconds: float) -> str:
    """UTC seconds as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def compression() -> dict[str, Any]:
    """Keywords for `create_dataset`: bitshuffle + LZ4."""
    return dict(hdf5plugin.Bitshuffle(cname="lz4"))


def units_of(key: str) -> str:
    """Unit of a summary scalar or pit column, told by its name; "" for text, "1" for a number."""
    if key in TEXTS:
        return ""
    if key in _NAME_UNITS:
        return _NAME_UNITS[key]
    for suffix in sorted(_SUFFIX_UNITS, key=len, reverse=True):
        if key.endswith(suffix):
            return _SUFFIX_UNITS[suffix]
    return "1"


def summary_keys(length_unit: LengthUnit) -> tuple[str, ...]:
    """Scalars of every scan under `/entry/summary`; in voxels too where no voxel size is known."""
    lengths = tuple(f"{name}_um" for name in _LENGTHS)
    if length_unit == "voxel":
        lengths += tuple(f"{name}_voxel" for name in _LENGTHS)
    return _OTHERS + lengths


def pit_names(length_unit: LengthUnit) -> tuple[str, ...]:
    """Columns under `/entry/pits`; in voxels too where no voxel size is known."""
    units: tuple[LengthUnit, ...] = ("µm",) if length_unit == "µm" else ("µm", "voxel")
    return tuple(dict.fromkeys(name for unit in units for name in pit_columns((), unit)))


def stored_scalar(key: str, value: Any) -> float | bytes:
    """The value as it stands in the file: None is NaN for a number, "" for text."""
    if key in TEXTS or isinstance(value, str):
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
    if key in FLAGS:
        return bool(number)
    return int(number) if key in COUNTS else number


def is_scalar(value: Any) -> bool:
    """True for what `/entry/summary` can hold."""
    return value is None or isinstance(value, str | int | float) or hasattr(value, "__float__")


def chunk_rows(rows: int, row_bytes: int, target_bytes: int = 2**19) -> int:
    """Rows of a plane that make one chunk of about `target_bytes`.

    A vertical section reads one chunk of each slice: smaller chunks make it quick, larger ones make
    fewer of them to keep track of.
    """
    return max(1, min(rows, target_bytes // max(1, row_bytes)))


def scalars(summary: Mapping[str, Any], length_unit: LengthUnit) -> dict[str, float | bytes]:
    """`summary` as it goes into the file: all known keys, then whatever else is a scalar."""
    keys = dict.fromkeys((*summary_keys(length_unit), *summary))
    return {
        key: stored_scalar(key, summary.get(key)) for key in keys if is_scalar(summary.get(key))
    }
