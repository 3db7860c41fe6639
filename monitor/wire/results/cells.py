"""What the engine says of a cell and of its scans, as JSON (docs/reference/results.md, state).

Times are UTC s of the data unless stated otherwise; None is a number that is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from monitor.records import ChargeState, LengthUnit
from monitor.records.state import Policy, ScanProgress, Watch


class Reading(TypedDict, total=False):
    """The last reading of a cycler; NaN travels as None."""

    time: float
    potential_V: float | None
    current_mA: float | None
    charge_mAh: float | None
    cycle: float | None
    step: float | None


class Channel(TypedDict, total=False):
    """Another scalar of the documents: `points` values are kept, of which the newest is `value` at
    `time`; None before any. `unit` "": not known."""

    name: str
    title: str
    unit: str
    points: int
    time: float | None
    value: float | None


class CellWatch(Watch):
    """`clock_offset_estimate_s`: how far the cycler's clock is behind the engine's at most, s."""

    clock_offset_estimate_s: float | None


class UnansweredRequest(TypedDict):
    """A scan request without an answer for `age_s`; `received` is False once that
    is too long, None before."""

    id: str
    age_s: float
    received: Literal[False] | None


class RequestState(TypedDict, total=False):
    """What became of a scan request. `scan`: the one that answers it; `after_scan`: the last scan
    before it, -1 before any; `by` and `words`: the operator's, if there are any."""

    id: str
    reason: str
    status: str
    why: str
    scan: int | None
    after_scan: int | None
    by: str
    words: str


class Alarm(TypedDict):
    """An alarm that has not been acknowledged: `number` of its event; `condition` "" if none can
    end; `ended`: when it was over, or None."""

    number: int
    time: float
    cell: str
    text: str
    scan: int | None
    condition: str
    ended: float | None


class Charged(TypedDict, total=False):
    """What says on what charge rests: `charge_state`; and the scan's `start_time`."""

    charge_state: ChargeState
    start_time: float


class TableRow(Charged, total=False):
    """One discharge, after Table 1 of the paper; in voxels where the voxel size is not known."""

    discharge: int
    current_density_mA_cm2: float | None
    charge_mAh: float | None
    charge_mAh_cm2: float | None
    coulometry_um: float | None
    averaged_um: float | None
    averaged_error_um: float | None
    complete_um: float | None
    complete_error_um: float | None
    closure: float | None
    averaged_voxel: float | None
    averaged_error_voxel: float | None
    complete_voxel: float | None
    complete_error_voxel: float | None


class Summary(Charged, total=False):
    """The numbers of a scan that are read by name; `monitor/quantities` has all of them, with their
    units. Lengths are in voxels (`_voxel` instead of `_um`) if the voxel size is not known."""

    step: str
    soc: float | None
    charge_mAh_cm2: float | None
    coulometry_um: float | None
    closure: float | None
    mean_current_mA_cm2: float | None
    interval_current_mA_cm2: float | None
    current_mA_cm2: float | None
    pit_count: int | None
    pit_density_mm2: float | None
    forecast_depth_um: float | None
    forecast_low_um: float | None
    forecast_high_um: float | None
    collector_h: float | None
    collector_low_h: float | None
    collector_high_h: float | None
    moss_porosity: float | None
    valid_fraction: float | None
    registered: bool | None
    slices_missing: int | None


class Scan(Summary, total=False):
    """A scan of a cell, running (`provisional`) or concluded. `judged`: its numbers are known, and
    no slice to come can change its heights; `sent`: its number as the producer
    sent it; `shape`: (ny, nx) of its maps, `volume_shape`: (nz, ny, nx), both in voxels;
    `voxel_size`: (z, y, x) in `length_unit`; `maps`: names of those that can be asked for;
    `version`: of the state with which it changed last."""

    scan: int
    run: str
    sent: int
    reason: str
    complete: bool
    provisional: bool
    judged: bool
    stop_time: float
    length_unit: LengthUnit
    shape: tuple[int, int]
    volume_shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    maps: Sequence[str]
    version: int


class MovingCell(TypedDict, total=False):
    """What moves all the time of a cell. `cycler_points`: readings that are kept;
    `next_scan_time`: when the next scan on schedule is due; `time`: newest time of the data."""

    unanswered: Sequence[UnansweredRequest]
    running: ScanProgress | None
    cycler: Reading | None
    cycler_points: int
    channels: Sequence[Channel]
    next_scan_time: float | None
    time: float | None
    watch: CellWatch
    policy: Policy


class CellFacts(MovingCell, total=False):
    """A cell without its scans. `grain_boundaries`: whether a picture of them is set; `table`: a
    row for each discharge."""

    area_cm2: float
    clock_offset_s: float
    layers: Sequence[str]
    reversed_z: bool
    foil_thickness_um: float
    grain_boundaries: bool
    table: Sequence[TableRow]
    requests: Sequence[RequestState]
    alarms: Sequence[Alarm]


class Cell(CellFacts, total=False):
    """A cell with its scans in the order of time."""

    scans: Sequence[Scan]
