"""Words for a scan that came under the number of another one."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.core.arrival.cell_scans import DoneScan
from monitor.core.arrival.running_scan import RunningScan
from monitor.records import SAME_START_S, ScanStart


def namesake_text(
    earlier: RunningScan | DoneScan, start: ScanStart, reference: int | None, count: int
) -> str:
    """What an operator has to know of it. `earlier`: the newest that had the number; `reference`:
    the cell's reference scan, if there is one; `count`: how often that was seen in the cell."""
    known, number, here = earlier.start, start.number, start.key.scan
    sentences = [
        f"another scan was sent as scan {number}: {_differences(known, start)}. Both are kept: the "
        f"new one is recorded and measured as scan {here}; {_fate(earlier)}"
    ]
    if start.reason == "reference" and reference is not None:
        sentences.append(f"Scan {reference} remains the reference: removal is counted from it")
    if count > 1:
        sentences.append(f"This has happened {count} times in this cell")
    sentences.append(
        "If the producer was restarted, have it continue its numbers, or give each run its own uid"
    )
    return ". ".join(sentences)


def shape_text(earlier: RunningScan | DoneScan, start: ScanStart) -> str:
    """Of a header that says another volume of the same scan."""
    return (
        f"slices: cell {start.key.cell} scan {start.number}: volume {_volume(start)}, but it began "
        f"as {_volume(earlier.start)}; treated as another scan, {start.key.scan}"
    )


def _differences(known: ScanStart, start: ScanStart) -> str:
    told = []
    if abs(known.start_time - start.start_time) > SAME_START_S:
        told.append(f"it began at {_when(start)}, the previous one at {_when(known)}")
    if not known.is_like(start):
        told.append(f"its volume is {_volume(start)}, that of the previous one {_volume(known)}")
    if known.reason != start.reason:
        told.append(f"its reason is {start.reason}, that of the previous one {known.reason}")
    if known.voxel_size_um != start.voxel_size_um:
        told.append(f"its voxel size is {_voxel(start)}, that of the previous one {_voxel(known)}")
    return "; ".join(told)


def _fate(earlier: RunningScan | DoneScan) -> str:
    start = earlier.start
    counts = f"{earlier.received} of its {start.slice_count} slices were received"
    if isinstance(earlier, RunningScan) and not earlier.gave_up:
        return f"the previous one, scan {start.key.scan}, is still open, {counts}"
    return f"the previous one stays scan {start.key.scan}, {counts}"


def _when(start: ScanStart) -> str:
    """UTC, to the second; as sent, if it is not a time of a calendar."""
    try:
        return f"{datetime.fromtimestamp(start.start_time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{start.start_time:.0f} s"


def _volume(start: ScanStart) -> str:
    return f"{'×'.join(map(str, start.volume_shape))} {start.dtype}, axis {start.axis}"


def _voxel(start: ScanStart) -> str:
    if start.voxel_size_um is None:
        return "unknown"
    return f"{' × '.join(f'{size:g}' for size in start.voxel_size_um)} µm"
