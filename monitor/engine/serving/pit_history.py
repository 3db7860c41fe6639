"""One pit from scan to scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.engine.serving.scan_history import Scan
from monitor.errors import BadMessage
from monitor.quantities.table import PIT_COLUMNS
from monitor.wire.results.headers import TableHeader
from monitor.wire.results.replies import pit_columns


def pit_history(scans: Sequence[Scan], number: int) -> TableHeader:
    """Columns of one pit, a row for each scan in which it is visible, with its kin; JSON-ready.

    `scans`: the final ones of its cell, in the order of time. Lengths are in the unit of the newest
    scan that shows it; scans in another unit are left out. Raises BadMessage if none shows it.
    """
    found = ((scan, scan.pits.find(number)) for scan in scans)
    seen = [(scan, pit) for scan, pit in found if pit is not None]
    if not seen:
        raise BadMessage("no_pit", f"there is no pit {number} in the {len(scans)} scans so far")
    unit = seen[-1][0].start.length_unit
    seen = [(scan, pit) for scan, pit in seen if scan.start.length_unit == unit]
    of_pits = pit_columns([pit for _, pit in seen], unit)
    lengths = {column.key(unit) for column in PIT_COLUMNS.values() if column.is_length}
    columns: dict[str, list[Any]] = {
        "scan": [scan.start.key.scan for scan, _ in seen],
        "time": [scan.start.time for scan, _ in seen],
        "charge_mAh_cm2": [scan.summary.get("charge_mAh_cm2") for scan, _ in seen],
        **{key: values for key, values in of_pits.items() if key in lengths},
    }
    parents = [pit.parent for _, pit in seen if pit.parent >= 0]
    children = set[int]().union(*(scan.pits.children_of(number) for scan in scans))
    return {
        "columns": columns,
        "first_scan": seen[0][1].first_scan,
        "parent": parents[-1] if parents else -1,
        "children": sorted(children - {number}),
        "length_unit": unit,
    }
