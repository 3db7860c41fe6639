"""The slices of one scan → its grey levels, and its heights, while they arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from monitor.core.arrival.assembly import Assembly
from monitor.core.interface.grey_levels import LAST_SEEN, Calibration
from monitor.core.interface.heights import Heights
from monitor.core.interface.levels import Levels
from monitor.core.interface.surfaces import Surfaces
from monitor.core.plating import Measured
from monitor.core.refinement.band import Range, Spare
from monitor.records import ScanStart, SliceFrame, frozen
from monitor.settings import CellSettings

CALIBRATE_EVERY = 16
MAKE_DO_EVERY = 8
MANY_MISSING = 0.1
"""Share of a scan's slices."""
PROVISIONAL_STEPS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ScanSetup:
    """What is known of a scan when it begins. `previous_levels`: grey levels of the scan before;
    `memory_bytes`: what slices that wait may take; `plated`: there may be a porous deposit on the
    lithium."""

    start: ScanStart
    cell: CellSettings
    previous_levels: Levels | None
    memory_bytes: int
    plated: bool = False


class Measurement(Protocol):
    """What makes heights of the slices of a scan; it begins with the first of them."""

    def take(self, frame: SliceFrame) -> None:
        """A slice has arrived, and is in the assembly."""

    def provisional(self) -> Heights | None:
        """Heights by the slices so far, a few times a scan; None in between."""

    @property
    def settled(self) -> bool:
        """Whether no slice to come, or missing, can change any height any more."""

    def early(self) -> Measured | None:
        """The scan as measured once it is settled, while slices are still to come."""

    def finish(self) -> Measured | None:
        """The scan as measured with all that arrived; None if nothing could be measured."""


Measure = Callable[[ScanSetup, Assembly, Spare], Measurement]
"""Begins the measurement of a scan: its setup, its slices, memory to use again."""


class SliceMeasurement:
    """Leads slices to the kernels as soon as they may go.

    Slices wait in memory until the grey levels are known, which is when the last layer has come up.
    Of what would be more than `memory_bytes`, the first slices go by the levels of the previous
    scan, or by a guess that holds for the layers seen.
    """

    def __init__(self, setup: ScanSetup, assembly: Assembly, spare: Spare) -> None:
        self.used = 0
        self._setup = setup
        self._assembly = assembly
        self._search = LevelSearch(setup, assembly)
        self._surfaces = Surfaces(setup.start, setup.cell, spare, plated=setup.plated)
        self._preview = _Preview(setup.start.slice_count)
        self._refine_memory_MB: float | None = None

    @property
    def levels(self) -> Levels | None:
        """Those that slices are judged by now."""
        return self._search.levels

    @property
    def used_previous_levels(self) -> bool:
        """Whether its own grey levels were not known when they were needed, so that those of the
        scan before matter."""
        return self._search.used_previous

    def take(self, frame: SliceFrame) -> None:
        """A slice has arrived, and is in the assembly."""
        if (levels := self._search.take(frame)) is not None:
            self._use(levels)
        if self.levels is not None:
            self._pass_on(last=False)

    def provisional(self) -> Heights | None:
        """Heights by the slices used so far, a few times a scan; None in between, and while no grey
        levels are known."""
        if self.levels is None or not self._preview.is_due(self.used, self._surfaces):
            return None
        return self._surfaces.heights(self._assembly.ledger)

    @property
    def settled(self) -> bool:
        """Whether no slice to come, or missing, can change any height any more."""
        return self._surfaces.settled

    def early(self) -> Measured:
        """The scan as measured once it is settled, while slices are still to come."""
        return replace(self._measured(last=False), running=True)

    def finish(self) -> Measured:
        """The scan as measured with all that arrived."""
        if (levels := self._search.conclude()) is not None:
            self._use(levels, last=True)
        self._pass_on(last=True)
        return self._measured(last=True)

    def _measured(self, *, last: bool) -> Measured:
        setup = self._setup
        ledger = frozen(self._assembly.ledger.copy())
        heights = self._surfaces.heights(ledger, last=last)
        refined = self._surfaces.refined
        memory_MB = None if refined else self._refine_memory_MB
        return Measured(setup.start, ledger, self.levels, heights, refined, memory_MB, setup.plated)

    def _use(self, levels: Levels, *, last: bool = False) -> None:
        """New levels, for the slices to come; `last`: none arrives any more."""
        around = self._search.around
        # a band must be whole: of slices that have gone to the kernels only some are kept
        along_z = self._setup.start.axis == "z"
        keep = self.used == 0 or (
            along_z
            and around is not None
            and (around.first >= self.used or self._surfaces.keeps(around))
        )
        if around is not None and not keep:
            span = self._assembly.contiguous + CALIBRATE_EVERY - around.first
            self._refine_memory_MB = span * self._setup.start.slice_bytes / 1e6
        final = last or self._search.final
        self._surfaces.set_levels(levels, around if keep else None, final=final)

    def _pass_on(self, *, last: bool) -> None:
        if self._setup.start.axis == "y":
            for row, image in self._assembly.vertical():
                self._surfaces.add_vertical(row, image)
                self.used += 1
            return
        sparing = not (self._search.final or last)
        for first, slices in self._assembly.runs(last=last, sparing=sparing):
            self._surfaces.add(first, slices)
            self.used += len(slices)


class LevelSearch:
    """The grey levels of one scan: its own once all layers are visible, before that those to make
    do with. `final`: its own were found; `used_previous`: they were not when they were needed."""

    def __init__(self, setup: ScanSetup, assembly: Assembly) -> None:
        self.levels: Levels | None = None
        self.final = False
        self.used_previous = False
        self._previous = setup.previous_levels
        self._count = setup.start.slice_count
        self._assembly = assembly
        self._calibration = Calibration(setup.start, setup.cell, plated=setup.plated)
        self._ends_with_collector = setup.cell.reversed_z and setup.cell.has_collector
        self._thin_from = _thin_from(setup)
        self._checked = self._thin_checked = 0
        self._try_again_at = 0

    @property
    def around(self) -> Range | None:
        """The slices in which the interface lies; None if it is not known, or they are too many."""
        return self._calibration.around

    def take(self, frame: SliceFrame) -> Levels | None:
        """A slice has arrived. Returns new levels, if there are."""
        if self.final:
            return None
        self._calibration.sample(frame.frame, frame.data)
        while not self.final and self._checked + CALIBRATE_EVERY <= self._assembly.contiguous:
            self._checked += CALIBRATE_EVERY
            found = self._calibration.levels(self._checked)
            if found is not None:
                self.levels, self.final = found, True
                return found
        if (found := self._thin()) is not None:
            self.levels, self.final = found, True
            return found
        return self._make_do() if self._assembly.full or self._try_again_at else None

    def _thin(self) -> Levels | None:
        """Levels while the collector, which comes last, is only beginning to come up: so few slices
        of it are enough if all layers look as in the scan before."""
        first = max(self._thin_checked + 1, self._thin_from)
        for count in range(first, min(self._assembly.contiguous, self._count - 1) + 1):
            self._thin_checked, self.used_previous = count, True
            if self._previous is None:
                continue
            found = self._calibration.levels(count, coming=True, expected=self._previous)
            if found is not None:
                return found
        return None

    def conclude(self) -> Levels | None:
        """No slice arrives any more. Of a scan of which many are missing, or came too late for the
        maps, each layer must be thick. Returns new levels, if there are."""
        if self.final:
            return None
        torn = self._assembly.missing > MANY_MISSING * self._count
        found = self._calibration.levels(self._count, coming=torn)
        self.used_previous = self.used_previous or found is None
        guess = self.levels
        if torn and self._ends_with_collector and guess is not None:
            guess = replace(guess, third=None)  # no height rather than one by a few loose slices
        return self._use(found or self._previous or guess)

    def _make_do(self) -> Levels | None:
        """Memory is short: slices that must go do so by the best levels there are."""
        received = self._assembly.received
        if self.levels is not None and received < self._try_again_at and not self._assembly.full:
            return None
        self._try_again_at = received + MAKE_DO_EVERY
        found = self._calibration.levels(self._count, coming=True)
        self.used_previous = self.used_previous or found is None
        self.final = found is not None
        return self._use(found or self._previous or self._calibration.guess())

    def _use(self, levels: Levels | None) -> Levels | None:
        self.levels = levels or self.levels
        return levels


def _thin_from(setup: ScanSetup) -> int:
    """Number of slices from which a collector that comes last may be too thin to be known by
    itself before the end; beyond the last one if it does not come last."""
    count, cell = setup.start.slice_count, setup.cell
    last = cell.reversed_z and cell.has_collector and setup.start.axis == "z"
    return max(1, count - LAST_SEEN) if last else count


class _Preview:
    """When heights are shown while slices arrive: at each of `PROVISIONAL_STEPS`. A refined
    interface is shown once: as soon as no slice to come can move it, or at the step after next."""

    def __init__(self, slices: int) -> None:
        self._slices = slices
        self._step = self._waited = 0
        self._is_over = False

    def is_due(self, used: int, surfaces: Surfaces) -> bool:
        """`used`: how many slices the heights are made of so far."""
        if self._is_over:
            return False
        step = used * PROVISIONAL_STEPS // self._slices
        due = step > self._step
        self._step = max(step, self._step)
        if not surfaces.refined:
            return due
        self._waited += due
        self._is_over = surfaces.settled or self._waited > 1
        return self._is_over
