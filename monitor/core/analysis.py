"""Heights and charge of a cell, scan after scan → maps, pits, numbers.

Heights are final when no slice to come can change them. What depends on the charge is final once
readings of the cycler cover the scan's time, and those of all scans before it; until then the scan
waits here, with what is needed to compute it again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from monitor.core.charge_analysis import ChargeAnalysis, ChargeStage
from monitor.core.cycler.history import CyclerHistory
from monitor.core.plating import Measured
from monitor.core.summary import summary_of
from monitor.core.surface_analysis import SurfaceAnalysis, SurfaceStage
from monitor.records import ScanKey, ScanResult, ScanStart, frozen
from monitor.settings import CellSettings, PitSettings

WAITING_BYTES = 2**30
MAX_WAITING = 64
"""Of scans that wait for readings; the newest one always may."""


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """A scan whose readings have arrived: its result as told first, and as it is."""

    before: ScanResult
    after: ScanResult
    measured: Measured

    @property
    def changed(self) -> list[str]:
        """Names of the numbers and maps that are not what they were, sorted."""
        one, other = self.before, self.after
        names = {
            key
            for key in {*one.summary, *other.summary}
            if one.summary.get(key) != other.summary.get(key)
        }
        names |= {
            name
            for name in {*one.maps, *other.maps}
            if name not in one.maps
            or name not in other.maps
            or not np.array_equal(one.maps[name], other.maps[name], equal_nan=True)
        }
        return sorted(names)


@dataclass(slots=True, eq=False)
class _Judged:
    """A scan of which something is missing: readings, its own or those of one before it, or slices.
    `before`: what was carried over from earlier scans, of the oldest that waits for readings only:
    for the others it follows from that."""

    stage: SurfaceStage
    before: ChargeAnalysis | None
    result: ScanResult

    def complete(self, scan: Measured) -> ScanResult:
        """With all slices that arrived."""
        self.stage = self.stage.complete(scan)
        slices = summary_of(scan.start.length_unit, self.stage.quality)
        self.result = replace(
            self.result,
            provisional=False,
            complete=bool(scan.ledger.all()),
            ledger=scan.ledger,
            summary={**self.result.summary, **slices},
        )
        return self.result


class CellAnalysis:
    """What is known of one cell so far."""

    def __init__(
        self,
        cell: CellSettings,
        pits: PitSettings,
        history: CyclerHistory,
        period_s: float = 1800.0,
    ) -> None:
        """`period_s`: how often a periodic scan is made, for forecasts of the next one."""
        self._cell, self._pits = cell, pits
        self._history = history
        self._begun = ChargeAnalysis(cell, history, period_s)
        self._surface = SurfaceAnalysis(cell, pits)
        self._charge = self._begun.copy()
        self._waiting: deque[_Judged] = deque()
        self._running: dict[ScanKey, _Judged] = {}
        self._given_up: deque[ScanStart] = deque(maxlen=MAX_WAITING)
        self.doubt = ""
        """Why the last scan may lie beside the reference; "" if nothing speaks for it."""

    @property
    def reference_time(self) -> float | None:
        """Middle of the reference scan, UTC s: charge and removal are counted from there."""
        reference = self._surface.reference
        return None if reference is None else reference.start.time

    @property
    def reference_scan(self) -> int | None:
        """Number of the reference scan; None before there is one."""
        reference = self._surface.reference
        return None if reference is None else reference.start.key.scan

    def finish(self, scan: Measured) -> ScanResult:
        """All maps, pits and numbers of a scan whose slices have arrived, or whose heights no slice
        to come can change, in the reference's frame."""
        stage = self._surface.update(scan)
        self.doubt = stage.registration.doubt
        judged = self._judged(stage)
        if scan.running:
            self._running[scan.start.key] = judged
        return judged.result

    def complete(self, scan: Measured) -> ScanResult:
        """The result of a scan that was judged while it ran, with all slices that arrived."""
        judged = self._running.pop(scan.start.key)
        if scan.made_again and self._surface.reference is judged.stage.scan:
            self._forget_reference(judged)
            return self.finish(scan)
        return judged.complete(scan)

    def _forget_reference(self, judged: _Judged) -> None:
        """The reference was interrupted, and is being made again; nothing builds on it yet."""
        self._surface = SurfaceAnalysis(self._cell, self._pits)
        self._charge = self._begun.copy()
        if judged in self._waiting:
            self._waiting.remove(judged)

    def _judged(self, stage: SurfaceStage) -> _Judged:
        """What a scan says by the readings that there are; it waits for those that are missing."""
        if not self._waiting and self._history.covers(stage.scan.start.time):
            return _Judged(stage, None, _result(stage, self._charge.update(stage)))
        before = None if self._waiting else self._carried()
        result = _result(stage, self._charge.update(stage))
        if not result.preliminary:  # made earlier than one that waits, whose numbers it builds on
            state = self._waiting[-1].result.summary["charge_state"]
            result = replace(result, summary={**result.summary, "charge_state": state})
        judged = _Judged(stage, before, result)
        self._waiting.append(judged)
        self._make_room()
        return judged

    def corrections(self) -> list[Correction]:
        """The scans, oldest first, that readings now cover, computed again with them."""
        found: list[Correction] = []
        while self._waiting and self._history.covers(self._waiting[0].stage.scan.start.time):
            one = self._waiting.popleft()
            carried = one.before or self._begun.copy()
            result = _result(one.stage, carried.update(one.stage))
            if self._waiting:
                self._waiting[0].before = carried
            else:
                self._charge = carried
            found.append(Correction(one.result, result, one.stage.scan))
            one.result = result
        return found

    def not_corrected(self) -> list[ScanStart]:
        """The scans, oldest first, that readings now cover, but which memory could not hold."""
        found: list[ScanStart] = []
        while self._given_up and self._history.covers(self._given_up[0].time):
            found.append(self._given_up.popleft())
        return found

    def _make_room(self) -> None:
        while len(self._waiting) > 1 and (
            len(self._waiting) > MAX_WAITING
            or sum(one.stage.nbytes for one in self._waiting) > WAITING_BYTES
        ):
            one = self._waiting.popleft()
            self._given_up.append(one.stage.scan.start)
            if one.before is not None and self._history.times:
                one.before.update(one.stage)
                self._waiting[0].before = one.before

    def _carried(self) -> ChargeAnalysis | None:
        """What was carried over from earlier scans, as it is now; None as long as there is no
        reading: then nothing was, and a cell without a cycler need not pay for a copy."""
        return self._charge.copy() if self._history.times else None


def _result(stage: SurfaceStage, charge: ChargeStage) -> ScanResult:
    scan = stage.scan
    maps = {**stage.maps, **charge.maps}
    return ScanResult(
        start=scan.start,
        provisional=scan.running,
        complete=bool(scan.ledger.all()),
        ledger=scan.ledger,
        maps={name: frozen(values) for name, values in maps.items()},
        pit_labels=None if stage.pits is None else stage.pits.labels,
        pits=charge.pits,
        summary=summary_of(scan.start.length_unit, *charge.numbers, *stage.numbers),
    )
