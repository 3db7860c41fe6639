"""One scan while its slices arrive: what has arrived, what is missing, whether more will arrive."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from monitor.core.arrival.assembly import Arrival, Assembly
from monitor.core.arrival.measurement import Measure, Measurement, ScanSetup, SliceMeasurement
from monitor.core.arrival.missing_slices import Lacking, Progress, margin
from monitor.core.interface import kernels
from monitor.core.interface.heights import Heights
from monitor.core.plating import Measured
from monitor.core.refinement.band import Spare
from monitor.errors import BadMessage
from monitor.records import ScanResult, ScanStart, SliceFrame, frozen


class Phase(Enum):
    """What of a scan still comes by itself."""

    RECEIVING = "slices"
    ENDED = "its slices: its end has been received in each of its streams"
    CLOSED = "nothing"


class RunningScan:
    """A scan that has begun: takes its slices in any order, and has them measured.

    It is received in one stream or in several, if its producer is restarted.
    """

    def __init__(
        self,
        setup: ScanSetup,
        spare: Spare | None = None,
        measure: Measure = SliceMeasurement,
        *,
        began: int = 0,
        late_header: bool = False,
    ) -> None:
        """`began`: how many slices of all scans had arrived then; `late_header`: slices of it may
        have arrived before, and were dropped."""
        start = setup.start
        self.start = start
        self.setup = setup
        self.began = self._heard = began
        self._late_header = late_header or start.recovered
        self._streams = {start.stream}
        self._ends: dict[str, int | None] = {}
        self._resend = ("", "")
        self.judged = False
        """Whether it was judged while slices were still to come."""
        self._closed = False
        self._gave_up = False
        self._spare = spare or Spare()
        self._measure = measure
        self._measurement: Measurement | None = None
        self._assembly = Assembly(start, setup.memory_bytes)
        self._dtype = np.dtype(start.dtype)
        slices = margin(setup.start.slice_bytes, setup.memory_bytes)
        self._progress = Progress(start.slice_count, slices)

    # --- slices ---------------------------------------------------------------------------------

    @property
    def received(self) -> int:
        """How many slices have come in time for the maps."""
        return self._assembly.received

    @property
    def whole(self) -> bool:
        return self.received == self.start.slice_count

    @property
    def time(self) -> float:
        """How far it has got, by its slices: between its start and its end, UTC s."""
        begin, end = self.start.start_time, self.start.stop_time
        return begin + (end - begin) * self.received / self.start.slice_count

    def fits(self, frame: SliceFrame) -> bool:
        """Whether a slice has the shape and type of this scan's."""
        return frame.data.shape == self.start.slice_shape and frame.data.dtype == self._dtype

    def check(self, frame: SliceFrame) -> None:
        """Raises BadMessage if the slice cannot be one of this scan's."""
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
        if start.dtype == "float32" and _any_not_finite(frame.data):
            raise BadMessage(
                "not_finite", f"{what}: slice {frame.frame} holds NaN or infinity; dropped"
            )

    def add(self, frame: SliceFrame, count: int = 0) -> Arrival:
        """Take one slice that `check` let pass, the slice number `count` of all scans."""
        if not frame.recovered:
            self._heard = count
        arrival = self._assembly.add(frame)
        if arrival is not Arrival.REPEAT and not frame.recovered:
            self._progress.note(frame.frame)
        if arrival is Arrival.NEW:
            if self._measurement is None:
                self._measurement = self._measure(self.setup, self._assembly, self._spare)
            self._measurement.take(frame)
        return arrival

    def provisional(self) -> ScanResult | None:
        """The heights by the slices used so far, a few times a scan; None in between."""
        heights = None if self._measurement is None else self._measurement.provisional()
        return None if heights is None else provisional(self.start, self._assembly.ledger, heights)

    @property
    def settled(self) -> bool:
        """Whether no slice to come, or missing, can change its heights."""
        return self._measurement is not None and self._measurement.settled

    def early(self) -> Measured | None:
        """The scan as measured once it is settled, while slices are still to come."""
        return None if self._measurement is None else self._measurement.early()

    def finish(self) -> Measured | None:
        """The scan as measured with all that arrived; None if nothing could be measured."""
        return None if self._measurement is None else self._measurement.finish()

    # --- whether more will arrive -----------------------------------------------------------------

    @property
    def streams(self) -> tuple[str, ...]:
        """Those in which its header arrived."""
        return tuple(self._streams)

    @property
    def phase(self) -> Phase:
        if self._closed:
            return Phase.CLOSED
        return Phase.ENDED if self.ended else Phase.RECEIVING

    @property
    def ended(self) -> bool:
        """Whether its end was received in every stream in which its header arrived."""
        return bool(self._ends) and self._streams <= self._ends.keys()

    @property
    def gave_up(self) -> bool:
        """Whether nothing more of it comes by asking."""
        return self._gave_up

    @property
    def outstanding(self) -> bool:
        """Whether slices may still arrive after its end: fewer have arrived than were sent, or they
        came in several streams, one of which may be behind."""
        sent = min(sum(slices or 0 for slices in self._ends.values()), self.start.slice_count)
        return not self.whole and (self.received < sent or len(self._streams) > 1)

    def announce(self, stream: str) -> None:
        """Its header came in a stream."""
        self._streams.add(stream)

    def end(self, stream: str, slices: int | None = None) -> None:
        """One of its streams has ended, after so many slices; None: that was not said."""
        if slices is not None or stream not in self._ends:
            self._ends[stream] = slices

    def close(self) -> None:
        """Nothing more of it comes by itself."""
        self._closed = True

    def give_up(self) -> None:
        """Nothing more of it comes by asking."""
        self._gave_up = True

    def interleaves(self, later: RunningScan) -> bool:
        """Whether slices of this scan have arrived by themselves since a later one began, and its
        end has not."""
        return self._heard > later.began and not self.ended

    # --- what can be asked for ------------------------------------------------------------------

    def ask_at(self, stream: str, address: str) -> None:
        """Slices of this stream can be asked for at an address; "": nowhere."""
        self._resend = (stream, address)

    @property
    def recoverable(self) -> bool:
        """Whether slices are missing that can be asked for, and may come in time."""
        return bool(self._resend[1]) and not self._gave_up and self._assembly.wanted.size > 0

    @property
    def memory_pressure(self) -> bool:
        """Whether a slice that can be asked for is about to be given up."""
        return bool(self._resend[1]) and not self._gave_up and self._assembly.memory_pressure

    def lacking(self, *, lossy: bool) -> Lacking:
        """What it lacks. `lossy`: messages of its stream were lost; otherwise what has not arrived
        has not been sent, in whatever order slices are sent."""
        wanted = self._assembly.wanted
        lossy = lossy or self._late_header
        lost = self._progress.passed(surely=True) if lossy else range(0)
        passed = self._progress.passed(surely=False) if lossy else range(0)
        return Lacking(
            key=self.start.key,
            stream=self._resend[0],
            address=self._resend[1],
            slice_bytes=self.setup.start.slice_bytes,
            heard=self._progress.heard,
            over=self.phase is not Phase.RECEIVING,
            lost=_within(wanted, lost),
            passed=_within(wanted, passed),
            all=wanted,
            sent=self.start.sent,
        )


def provisional(start: ScanStart, ledger: NDArray[np.uint8], heights: Heights) -> ScanResult:
    """The heights of a scan that is still running."""
    return ScanResult(
        start=start,
        provisional=True,
        complete=False,
        ledger=frozen(ledger.copy()),
        maps={"height": heights.height, "bottom": heights.bottom},
        pit_labels=None,
        pits=(),
        summary={},
    )


def _any_not_finite(data: NDArray[np.generic]) -> bool:
    """Whether any pixel of a float32 slice is NaN or infinite. Of one that stands for a slice
    without pixels, all are the same element."""
    if not any(data.strides):
        return bool(data.size) and not np.isfinite(data.flat[0])
    return bool(kernels.any_not_finite(data.view(np.uint32).ravel()))


def _within(indices: NDArray[np.int64], span: range) -> NDArray[np.int64]:
    return indices[(indices >= span.start) & (indices < span.stop)]
