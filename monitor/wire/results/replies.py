"""Results on the wire: replies of the versioned pull, and the status messages.

A reply is one JSON frame, followed by one raw buffer where it carries an array: `shape` and `dtype`
in the header describe it, C order, little-endian.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from monitor.errors import BadMessage
from monitor.quantities.table import PIT_COLUMNS
from monitor.records import LengthUnit, Pit
from monitor.wire.fields import (
    MAX_SIDE,
    Frame,
    Name,
    Number,
    Whole,
    checked,
    columns_to_json,
    plain,
    read_object,
    short,
    to_json,
)
from monitor.wire.results.cells import TableRow
from monitor.wire.results.headers import ReplyHeader
from monitor.wire.results.queries import Window

MAX_DIMENSIONS = 3
Summary = TypeVar("Summary", bound=Mapping[str, object])
REPLY_DTYPES = ("float32", "float64", "int32", "uint8", "uint16")


@dataclass(frozen=True, slots=True)
class Status:
    """One status message. `version` grows by one with each that an engine publishes."""

    kind: str
    version: int
    time: float
    cell: str
    data: Mapping[str, Any]


def encode_reply(header: Mapping[str, object], array: NDArray[Any] | None = None) -> list[Frame]:
    """Frames of a reply; `shape` and `dtype` of the array are written into its header."""
    if array is None and isinstance(columns := header.get("columns"), Mapping):
        rest = {key: value for key, value in header.items() if key != "columns"}
        return [to_json(rest)[:-1] + b',"columns":' + columns_to_json(columns) + b"}"]
    if array is None:
        return [to_json(header)]
    data = np.ascontiguousarray(array)
    if data.dtype.name not in REPLY_DTYPES:
        raise BadMessage("bad_reply", f"an array of {data.dtype.name} cannot be part of a reply")
    head = to_json({**header, "shape": list(data.shape), "dtype": data.dtype.name})
    return [head, data.reshape(-1).view(np.uint8).data if data.size else b""]


def decode_reply(frames: Sequence[Frame]) -> tuple[ReplyHeader, NDArray[Any] | None]:
    """Header and read-only array (or None) of a reply; BadMessage if they do not agree."""
    if not 1 <= len(frames) <= 2:
        raise BadMessage("bad_reply", f"reply of {len(frames)} frames, expected 1 or 2")
    header = read_object(frames[0], "reply")
    if not isinstance(header.get("type"), str):
        raise BadMessage("bad_reply", f"reply type is {short(header.get('type'))}")
    if len(frames) == 1:
        return cast(ReplyHeader, header), None
    shape, name = header.get("shape"), header.get("dtype")
    if (
        name not in REPLY_DTYPES
        or not isinstance(shape, list)
        or len(shape) > MAX_DIMENSIONS
        or not all(type(side) is int and 0 <= side <= MAX_SIDE for side in shape)
    ):
        raise BadMessage("bad_reply", f"reply: array of {short(shape)} {short(name)} is unknown")
    dtype = np.dtype(name).newbyteorder("<")
    expected = math.prod(shape) * dtype.itemsize
    if len(frames[1]) != expected:
        raise BadMessage("bad_reply", f"reply: {len(frames[1])} bytes, expected {expected}")
    array = np.frombuffer(frames[1], dtype).reshape(shape)
    array.setflags(write=False)
    return cast(ReplyHeader, header), array


@dataclass(frozen=True, slots=True)
class _Own:
    """What every status message says, beside its data."""

    type: Name
    version: Whole
    time: Number
    cell: Name = ""


_OWN = TypeAdapter(_Own)


def encode_status(status: Status) -> bytes:
    """Frame of a status message."""
    own = {"type": status.kind, "version": status.version, "time": status.time, "cell": status.cell}
    return to_json({**status.data, **own})


def decode_status(frame: Frame) -> Status:
    """The status message in a frame. Raises BadMessage for anything that is none."""
    message = read_object(frame, "status")
    said = checked(_OWN, message, "message")
    data = {key: value for key, value in message.items() if key not in _Own.__slots__}
    return Status(said.type, said.version, said.time, said.cell, data)


def fit(shape: tuple[int, int], window: Window | None, limit: tuple[int, int] | None) -> Window:
    """The window clipped to `shape`. Raises BadMessage if nothing is left of it."""
    y0, y1, x0, x1 = window or (0, shape[0], 0, shape[1])
    y0, y1, x0, x1 = max(y0, 0), min(y1, shape[0]), max(x0, 0), min(x1, shape[1])
    if y0 >= y1 or x0 >= x1 or (limit and min(limit) < 1):
        raise BadMessage("bad_request", f"request: window {window} of a map of {shape} is empty")
    return y0, y1, x0, x1


def thinning(shape: tuple[int, int], limit: tuple[int, int] | None) -> int:
    """Smallest integer step at which an array of `shape` fits into `limit`."""
    if limit is None:
        return 1
    return max(1, -(-shape[0] // limit[0]), -(-shape[1] // limit[1]))


def pit_columns(pits: Iterable[Pit], length_unit: LengthUnit) -> dict[str, list[Any]]:
    """Equal-length columns of pits, named with their unit: `area_um2`, or `area_voxel2`."""
    rows = tuple(pits)
    return {
        PIT_COLUMNS[field.name].key(length_unit): [getattr(pit, field.name) for pit in rows]
        for field in fields(Pit)
    }


_ROW_KEYS = {
    "current_density_mA_cm2": "mean_current_mA_cm2",
    "charge_mAh": "charge_mAh",
    "charge_mAh_cm2": "charge_mAh_cm2",
    "coulometry_um": "coulometry_um",
    "averaged_um": "averaged_um",
    "averaged_error_um": "averaged_error_um",
    "complete_um": "complete_um",
    "complete_error_um": "complete_error_um",
    "closure": "closure",
}
_VOXEL_KEYS = ("averaged_voxel", "averaged_error_voxel", "complete_voxel", "complete_error_voxel")
_OWN_CURRENT = "discharge_current_mA_cm2"
_CHARGE_STATE = "charge_state"
TABLE_KEYS = ("discharge", "step", _OWN_CURRENT, _CHARGE_STATE, *_ROW_KEYS.values(), *_VOXEL_KEYS)
"""What `table_rows` looks at of a summary."""


def table_rows(scan_summaries: Iterable[Mapping[str, object]]) -> list[TableRow]:
    """One row per discharge, after Table 1 of the paper, from summaries of final scans in order.

    Unknown numbers are None; keys in voxels are there only where the voxel size is unknown,
    `charge_state` only where numbers that depend on charge are not final.
    """
    return [_row(number, end) for number, end in ends_of_discharges(scan_summaries).items()]


def ends_of_discharges(
    scan_summaries: Iterable[Summary],
) -> dict[int, Summary]:
    """For each discharge the summary of its last scan before charging begins."""
    last: dict[int, Summary] = {}
    charged: set[int] = set()
    for summary in scan_summaries:
        found = summary.get("discharge")
        if found is None:
            continue
        number = int(cast(float, found))
        if summary.get("step") == "charge":
            charged.add(number)
        if number not in charged:
            last[number] = summary
    return dict(sorted(last.items()))


def _row(number: int, summary: Mapping[str, object]) -> TableRow:
    row: dict[str, object] = {"discharge": number}
    row |= {key: plain(summary.get(source)) for key, source in _ROW_KEYS.items()}
    own = summary.get(_OWN_CURRENT)  # of this discharge, not since the reference
    if own is not None:
        row["current_density_mA_cm2"] = plain(own)
    row |= {key: plain(summary[key]) for key in _VOXEL_KEYS if summary.get(key) is not None}
    if summary.get(_CHARGE_STATE) not in (None, "", "final"):
        row[_CHARGE_STATE] = summary[_CHARGE_STATE]
    return cast(TableRow, row)
