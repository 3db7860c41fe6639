"""Every scan of a cell on an axis of hours: what its mark looks like, says, and where it lies. Pure
functions, no Qt."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from monitor.gui.formatting import counted, stamp
from monitor.gui.state.health import is_ended
from monitor.gui.state.snapshot import Choice, Snapshot, is_judged, shown_scan
from monitor.gui.wording.map_captions import missing_slices
from monitor.records.state import ScanProgress
from monitor.wire.results.cells import Scan

Kind = Literal["reference", "periodic", "extra"]
KINDS: dict[str, Kind] = {"reference": "reference", "periodic": "periodic"}
"""By the reason of a scan; all others are extra."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One scan. `progress`: share of its slices that arrived while it runs, None once it is
    complete.
    `is_known`: its results can be shown."""

    scan: int
    hours: float
    kind: Kind
    complete: bool
    progress: float | None
    is_known: bool
    is_onset: bool
    tip: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All marks in order of time, when the next scan is due (h; None: no scan is expected), what is
    shown and pinned, and what stands instead of marks if there are none."""

    marks: tuple[Mark, ...] = ()
    due: float | None = None
    shown: int | None = None
    pinned: int | None = None
    empty: str = "No scan yet"

    @property
    def span(self) -> float:
        """Hours from the first scan to the end of the axis."""
        ends = [mark.hours for mark in self.marks] + ([] if self.due is None else [self.due])
        return max([*ends, 0.0]) or 1.0

    @property
    def numbers(self) -> list[int]:
        """The scans that can be chosen, in order of time."""
        return [mark.scan for mark in self.marks if mark.is_known]


def timeline(snapshot: Snapshot, choice: Choice) -> Timeline:
    """The scans of the chosen cell, and the one that runs before it has a first map."""
    cell = snapshot.cell(choice.cell)
    if snapshot.state is None:
        return Timeline(empty="Waiting for the engine")
    if cell is None:
        return Timeline()
    running = cell.get("running")
    scans = list(cell["scans"])
    known = len(scans)
    if running and running["scan"] not in (scan["scan"] for scan in scans):
        begun: Scan = {"scan": running["scan"], "start_time": running["start_time"]}
        scans.append({**begun, "reason": running["reason"], "provisional": True})
    if not scans:
        return Timeline()
    origin = float(scans[0]["start_time"])
    onset = _onset_scan(snapshot, choice.cell, scans)
    marks = tuple(
        _mark(scan, running, origin, is_known=index < known, is_onset=scan["scan"] == onset)
        for index, scan in enumerate(scans)
    )
    due = None if is_ended(snapshot, choice.cell) else cell.get("next_scan_time")
    shown = shown_scan(cell, choice)
    return Timeline(
        tuple(sorted(marks, key=lambda mark: mark.hours)),
        None if due is None else (float(due) - origin) / 3600.0,
        shown["scan"] if shown else None,
        choice.pinned,
    )


def places(hours: Sequence[float], span: float, left: float, right: float) -> list[float]:
    """Pixels of times on an axis from 0 to `span` hours between `left` and `right`."""
    return [left + (right - left) * h / span for h in hours]


def radius(xs: Sequence[float], largest: float, smallest: float) -> float:
    """Half the size of a mark: as large as allowed, unless scans stand closer as a rule."""
    gaps = sorted(b - a for a, b in pairwise(xs))
    usual = gaps[len(gaps) // 2] if gaps else math.inf
    return min(largest, max(smallest, 0.42 * usual))


def hit(xs: Sequence[float], x: float, reach: float) -> int | None:
    """Which of the ascending places is nearest to `x`; None if none lies within `reach`."""
    at = bisect.bisect_left(xs, x)
    near = [index for index in (at - 1, at) if 0 <= index < len(xs)]
    best = min(near, key=lambda index: abs(xs[index] - x), default=None)
    return best if best is not None and abs(xs[best] - x) <= reach else None


def ticks(span: float, most: int) -> list[float]:
    """Round hours from 0 to `span`, in at most `most` (1 or more) steps."""
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(f * power for f in (1, 2, 5, 10) if span / (f * power) <= most * (1 + 1e-9))
    return [index * step for index in range(math.floor(span / step + 1e-9) + 1)]


def _mark(
    scan: Scan,
    running: ScanProgress | None,
    origin: float,
    *,
    is_known: bool,
    is_onset: bool,
) -> Mark:
    progress = None
    if scan["provisional"]:
        goes_on = running is not None and running["scan"] == scan["scan"]
        progress = running["received"] / max(1, running["slices"]) if goes_on and running else 0.0
    hours = (scan["start_time"] - origin) / 3600.0
    return Mark(
        scan=scan["scan"],
        hours=hours,
        kind=KINDS.get(scan["reason"], "extra"),
        complete=bool(scan.get("complete")),
        progress=progress,
        is_known=is_known,
        is_onset=is_onset,
        tip=_tip(scan, running, hours, is_onset),
    )


def _tip(scan: Scan, running: ScanProgress | None, hours: float, is_onset: bool) -> str:
    """Number, reason, time, whether it is complete, and its pits: a line each."""
    lines = [f"Scan {scan['scan']}, {scan['reason']}"]
    lines.append(f"{hours:.2f} h, {stamp(scan['start_time'])} UTC")
    if scan["provisional"]:
        goes_on = running is not None and running["scan"] == scan["scan"]
        part = f"{running['received']} of {running['slices']} slices" if goes_on and running else ""
        lines.append(f"running: {part}" if part else "provisional")
        lines += ["evaluated"] if is_judged(scan) else []
    elif scan.get("complete"):
        lines.append("complete")
    else:
        lines.append(f"incomplete: {missing_slices(scan)}")
    pits = scan.get("pit_count")
    if pits is not None:
        lines.append(counted(pits, "pit") + (", the first: onset" if is_onset else ""))
    return "\n".join(lines)


def _onset_scan(snapshot: Snapshot, name: str, scans: Sequence[Scan]) -> int | None:
    """The scan in which pits began: as the engine told it, or else the first that has any."""
    for event in snapshot.events:
        if event.get("type") == "pit_onset" and event.get("cell") == name:
            return event.get("scan")
    return next((int(scan["scan"]) for scan in scans if scan.get("pit_count")), None)
