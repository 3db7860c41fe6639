"""One scan while its slices come: assembled, calibrated, and followed by the kernels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monitor.core.arrival.assembly import Arrival, Assembly
from monitor.core.arrival.missing_slices import Lacking, Progress, margin
from monitor.core.interface import kernels
from monitor.core.interface.grey_levels import Calibration, Levels
from monitor.core.interface.heights import Heights, Surfaces
from monitor.core.plating import Measured
from monitor.core.refinement.refine import Spare
from monitor.errors import BadMessage
from monitor.records import ScanStart, SliceFrame, frozen
from monitor.settings import CellSettings

CALIBRATE_EVERY = 16
MAKE_DO_EVERY = 8
PROVISIONAL_STEPS = 5


class RunningScan:
    """Takes slices in any order and leads them to the kernels as soon as they may go.

    Slices wait in memory until the grey levels are known, which is when the last layer has come up.
    Of what would be more than `memory_bytes`, the first slices go by the levels of the previous
    scan, or by a guess that holds for the layers seen.
    """

    def __init__(
        self,
        start: ScanStart,
        cell: CellSettings,
        former: Levels | None,
        memory_bytes: int,
        spare: Spare | None = None,
        *,
        plated: bool = False,
    ) -> None:
        """`former`: grey levels of the scan before; `plated`: there may be moss on the lithium.

        `ends`: the streams whose end was heard, and how many slices each says were sent (None: not
        known); `began`, `heard`: how many slices of all scans had come when it began, and when a
        slice of it came last; `over`: nothing more of it comes by itself;
        `hopeless`: nor by asking; `holed`: slices of it came before its header did, and were
        dropped; `leant`: its own grey levels were not known when they were needed, so that those of
        the scan before matter.
        """
        self.start = start
        self.streams = {start.stream}
        self.ends: dict[str, int | None] = {}
        self.began = self.heard = 0
        self.over = False
        self.hopeless = False
        self.holed = start.recovered
        self.leant = False
        self._resend = ("", "")
        self.levels: Levels | None = None
        self.used = 0
        self.former = former
        self._cell = cell
        self._spare = spare
        self.plated = plated
        self._dtype = np.dtype(start.dtype)
        self._told = False
        self._shown = self._waited = 0
        self._assembly = Assembly(start, memory_bytes)
        self._slice_bytes = math.prod(start.slice_shape) * self._dtype.itemsize
        self._progress = Progress(start.slice_count, margin(self._slice_bytes, memory_bytes))
        self._calibration: Calibration | None = None
        self._surfaces: Surfaces | None = None
        self._checked = 0
        self._final_levels = False
        self._makeshift = 0
        self._refine_memory_MB: float | None = None

    @property
    def ledger(self) -> np.ndarray:
        return self._assembly.ledger

    @property
    def received(self) -> int:
        return self._assembly.received

    @property
    def whole(self) -> bool:
        return self.received == self.start.slice_count

    def end_of(self, stream: str, slices: int | None = None) -> None:
        """One of its streams has ended, after so many slices; None: that was not said."""
        if slices is not None or stream not in self.ends:
            self.ends[stream] = slices

    @property
    def all_streams_ended(self) -> bool:
        """Whether every stream in which its header came has ended."""
        return self.streams <= self.ends.keys()

    @property
    def ended(self) -> bool:
        """Whether its end was heard, in every stream in which its header came."""
        return bool(self.ends) and self.all_streams_ended

    @property
    def owed(self) -> bool:
        """Whether slices may still come after its end: fewer have come than were sent, or they came
        in several streams, one of which may be behind."""
        sent = min(sum(slices or 0 for slices in self.ends.values()), self.start.slice_count)
        return not self.whole and (self.received < sent or len(self.streams) > 1)

    @property
    def recoverable(self) -> bool:
        """Whether slices are missing that can be asked for, and may come in time."""
        return bool(self._resend[1]) and not self.hopeless and self._assembly.wanted.size > 0

    @property
    def pressed(self) -> bool:
        """Whether a slice that can be asked for is about to be given up."""
        return bool(self._resend[1]) and not self.hopeless and self._assembly.pressed

    def ask_at(self, stream: str, address: str) -> None:
        """Slices of this stream can be asked for at an address; "": nowhere."""
        self._resend = (stream, address)

    def lacking(self, *, lossy: bool) -> Lacking:
        """What it lacks. `lossy`: messages of its stream were lost; else what has not come has not
        been sent, in whatever order slices are sent."""
        wanted = self._assembly.wanted
        lost = self._progress.passed(surely=True) if lossy or self.holed else range(0)
        passed = self._progress.passed(surely=False) if lossy or self.holed else range(0)
        return Lacking(
            key=self.start.key,
            stream=self._resend[0],
            address=self._resend[1],
            slice_bytes=self._slice_bytes,
            heard=self._progress.heard,
            over=self.ended or self.over,
            lost=_within(wanted, lost),
            passed=_within(wanted, passed),
            all=wanted,
            sent=self.start.sent,
        )

    def fits(self, frame: SliceFrame) -> bool:
        """Whether a slice has the shape and type of this scan's."""
        return frame.data.shape == self.start.slice_shape and frame.data.dtype == self._dtype

    def check(self, frame: SliceFrame) -> None:
        """Raises BadMessage where the slice cannot be one of this scan's."""
        start = self.start
        what = f"slices: cell {frame.cell} scan {frame.scan}"
        if frame.frame >= start.slice_count:
            raise BadMessage(
                "bad_index",
                f"{what}: slice index {frame.frame}, expected 0 to {start.slice_count - 1}; "
                "dropped",
            )
        if frame.data.shape != start.slice_shape:
            raise BadMessage(
                "bad_shape",
                f"{what}: slice of {frame.data.shape}, expected {start.slice_shape}; dropped",
            )
        if frame.data.dtype != self._dtype:
            raise BadMessage(
                "bad_type",
                f"{what}: slice of {frame.data.dtype.name}, expected {start.dtype}; dropped",
            )
        if start.dtype == "float32" and self._any_not_finite(frame):
            raise BadMessage(
                "not_finite", f"{what}: slice {frame.frame} holds NaN or infinity; dropped"
            )

    def add(self, frame: SliceFrame) -> Arrival:
        """Take one slice that `check` let pass."""
        arrival = self._assembly.add(frame)
        if arrival is not Arrival.REPEAT and not frame.recovered:
            self._progress.note(frame.frame)
        if arrival is Arrival.NEW:
            self._take(frame)
        return arrival

    def _any_not_finite(self, frame: SliceFrame) -> bool:
        return bool(kernels.any_not_finite(frame.data.view(np.uint32).ravel()))

    def _take(self, frame: SliceFrame) -> None:
        if self._calibration is None:
            self._calibration = Calibration(self.start, self._cell, plated=self.plated)
            self._surfaces = Surfaces(self.start, self._cell, self._spare, plated=self.plated)
        if not self._final_levels:
            self._calibration.sample(frame.frame, frame.data)
            self._calibrate()
        self._pass_on(last=False)

    def provisional(self) -> Heights | None:
        """Heights by the slices used so far, a few times a scan; None in between, while no grey
        levels are known, and once what was given will not change any more.

        A refined interface is given once: as soon as no slice to come can move it, or at the step
        after next.
        """
        if self._surfaces is None or self.levels is None or self._told:
            return None
        step = self.used * PROVISIONAL_STEPS // self.start.slice_count
        due = step > self._shown
        self._shown = max(step, self._shown)
        if self._surfaces.refined:
            self._waited += due
            if not (self._surfaces.settled or self._waited > 1):
                return None
            self._told = True
        return self._surfaces.heights(self.ledger) if due or self._told else None

    def finish(self) -> Measured | None:
        """The scan as measured with all that came; None where nothing could be measured."""
        if self._calibration is None or self._surfaces is None:
            return None
        if self.levels is None or not self._final_levels:
            # where slices went by other levels, those left must show every layer plainly
            found = self._calibration.levels(self.start.slice_count, coming=self.used > 0)
            self.leant = self.leant or found is None
            self._use(found or self.former or self.levels)
        self._pass_on(last=True)
        ledger = frozen(self.ledger.copy())
        heights = self._surfaces.heights(ledger, last=True)
        refined = self._surfaces.refined
        memory_MB = None if refined else self._refine_memory_MB
        return Measured(self.start, ledger, self.levels, heights, refined, memory_MB, self.plated)

    def _calibrate(self) -> None:
        """Look for the levels each time 16 more slices have come without a gap."""
        assert self._calibration is not None
        while (
            not self._final_levels and self._checked + CALIBRATE_EVERY <= self._assembly.contiguous
        ):
            self._checked += CALIBRATE_EVERY
            found = self._calibration.levels(self._checked)
            self._use(found)
            self._final_levels = found is not None
        if not self._final_levels and (self._assembly.full or self._makeshift):
            self._make_do(self._calibration)

    def _make_do(self, calibration: Calibration) -> None:
        """Memory is short: slices that must go do so by the best levels there are."""
        if self.levels is not None and self.received < self._makeshift:
            return
        self._makeshift = self.received + MAKE_DO_EVERY
        found = calibration.levels(self.start.slice_count, coming=True)
        self.leant = self.leant or found is None
        self._use(found or self.former or calibration.guess())
        self._final_levels = found is not None

    def _use(self, levels: Levels | None) -> None:
        if levels is None or self._surfaces is None or self._calibration is None:
            return
        around = self._calibration.around
        # a band must be whole: slices that have gone to the kernels cannot be kept any more
        along_z = self.start.axis == "z"
        keep = self.used == 0 or (along_z and around is not None and around.first >= self.used)
        if around is not None and not keep:
            span = self._assembly.contiguous + CALIBRATE_EVERY - around.first
            self._refine_memory_MB = span * self._slice_bytes / 1e6
        self.levels = levels
        self._surfaces.set_levels(levels, around if keep else None)

    def _pass_on(self, *, last: bool) -> None:
        if self._surfaces is None or (self.levels is None and not last):
            return
        if self.start.axis == "y":
            for row, image in self._assembly.vertical():
                self._surfaces.add_vertical(row, image)
                self.used += 1
            return
        sparing = not (self._final_levels or last)
        for first, slices in self._assembly.runs(last=last, sparing=sparing):
            self._surfaces.add(first, slices)
            self.used += len(slices)


def _within(indices: NDArray[np.int64], span: range) -> NDArray[np.int64]:
    return indices[(indices >= span.start) & (indices < span.stop)]
