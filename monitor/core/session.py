"""One record in, events out: the whole way of the data, read top to bottom.

The session reads no clock and touches no socket or file. The same records in the same order give
the same events and maps, bit by bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from monitor.core.cell import Cell
from monitor.core.cycler import Documents
from monitor.core.desk import Desk
from monitor.core.intake import Intake
from monitor.core.outputs import Outputs
from monitor.core.scan import RunningScan
from monitor.errors import BadMessage
from monitor.records import (
    Acknowledgement,
    BadInput,
    CyclerDocument,
    CyclerPoint,
    CyclerReading,
    FeedQuiet,
    FeedSilence,
    OperatorNote,
    OperatorRequest,
    Order,
    Output,
    PolicyChange,
    Record,
    RecordingTrouble,
    ScanEnd,
    ScanReply,
    ScanRequest,
    ScanStart,
    SilenceState,
    SilentFeed,
    SliceFrame,
)
from monitor.settings import Settings


class Session:
    """Everything between the wire and the results."""

    def __init__(
        self, settings: Settings, running: Callable[..., RunningScan] = RunningScan
    ) -> None:
        """`running`: what makes a scan that has begun, as `RunningScan` is made."""
        self._cells = {cell.name: Cell(cell, settings) for cell in settings.cells}
        self._documents = Documents(settings)
        self._desk = Desk(settings)
        self._out = Outputs(self._desk.alarms)
        self.slices = Intake(self._cells, settings.feeds, self._desk, self._out, running)
        self._counts: Counter[str] = Counter()
        self._points: list[CyclerPoint] = []

    def feed(self, record: Record) -> tuple[Output, ...]:
        """Take one record; returns what follows from it, in order."""
        self._out.now, self._points = [], []
        try:
            match record:
                case SliceFrame():
                    self.slices.slice(record)
                case ScanStart():
                    self.slices.start(record)
                case ScanEnd():
                    self.slices.end(record)
                case CyclerDocument():
                    self._document(record)
                case ScanReply():
                    self._counts["replies"] += 1
                    self._out.news(self._desk.reply(record))
                case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
                    self._order(record)
                case FeedQuiet():
                    self.slices.quiet(record)
                case FeedSilence():
                    self._silence(record)
                case RecordingTrouble():
                    self._out.news(self._desk.recording(record))
                case BadInput():
                    self._out.refuse(record.feed, BadMessage(record.kind, record.text))
        except BadMessage as error:
            self._out.refuse(_feed_of(record), error)
        return tuple(self._out.now)

    @property
    def feeds(self) -> dict[str, dict[str, Any]]:
        """Counters of the feeds, JSON-ready."""
        return {
            "slices": {
                "messages": self.slices.counts["slices"],
                "bytes": self.slices.counts["bytes"],
                "gaps": self.slices.gaps,
                "recovered": self.slices.counts["recovered"],
                "repeats": self.slices.counts["repeats"],
                "late": self.slices.counts["late"],
                "bad": dict(self._out.bad["slices"]),
            },
            "documents": {
                "messages": self._counts["documents"],
                "readings": self._counts["readings"],
                "bad": dict(self._out.bad["documents"]),
            },
            "requests": {
                "messages": self._counts["replies"],
                "bad": dict(self._out.bad["requests"]),
            },
        }

    @property
    def cycler(self) -> dict[str, CyclerReading]:
        """The last reading of each cell that has one."""
        return {n: c.history.last for n, c in self._cells.items() if c.history.last is not None}

    @property
    def points(self) -> tuple[CyclerPoint, ...]:
        """What the last record has added to the histories of the cyclers."""
        return tuple(self._points)

    @property
    def reference_charges_mAh(self) -> dict[str, float | None]:
        """Net charge that each cell's reference scan found stripped; None before there is one."""
        return {name: self._reference_charge(cell) for name, cell in self._cells.items()}

    @property
    def policies(self) -> dict[str, dict[str, Any]]:
        """Each cell's policy: mode, budget, what it has spent, and why it could not ask now."""
        return self._desk.policies(self._out.time)

    @property
    def watches(self) -> dict[str, dict[str, Any]]:
        """What the watch over each cell says beyond its alarms, JSON-ready."""
        return {name: cell.watch.state for name, cell in self._cells.items()}

    @property
    def overdue(self) -> dict[str, tuple[SilenceState, float]]:
        """Whether a scan is late or dead by the time of its cell, and for how long, s."""
        return {n: c.watch.overdue(scanning=bool(c.scans.open)) for n, c in self._cells.items()}

    @property
    def silences(self) -> list[tuple[SilentFeed, str, SilenceState]]:
        """(feed, cell, state) of what has been heard so far: late or dead where that was told."""
        told: list[tuple[SilentFeed, str, SilenceState]] = []
        for name, cell in self._cells.items():
            if cell.scans.open:
                told.append(("slices", name, cell.watch.silence_of("slices")))
            if cell.history.last is not None:
                told.append(("documents", name, cell.watch.silence_of("documents")))
        return told

    @property
    def ended_runs(self) -> frozenset[str]:
        """Cells whose cycler has ended its run and begun no other."""
        return self._documents.ended

    @property
    def recording_fails(self) -> bool:
        """Whether the disk refuses what is to be recorded, as far as was told."""
        return self._desk.recording_fails

    @property
    def unserved(self) -> list[ScanRequest]:
        """Requests whose scan has not been seen to begin."""
        return self._desk.unserved

    # --- cycler, operator, silence ----------------------------------------------------------------

    def _document(self, document: CyclerDocument) -> None:
        self._counts["documents"] += 1
        for reading in self._documents.readings(document):
            self._out.time = max(self._out.time, reading.time)
            self._counts["readings"] += 1
            cell = self._cells[reading.cell]
            try:
                cell.history.add(reading)
            except BadMessage as error:  # of a page of readings, the others are still good
                self._out.refuse("documents", error)
            self._points += cell.history.take_new()
            cell.watch.told(reading.time)

    @staticmethod
    def _reference_charge(cell: Cell) -> float | None:
        since = cell.analysis.reference_time
        return None if since is None else cell.history.charge_at(since)

    def _order(self, order: Order) -> None:
        cell = self._cells.get(order.cell)
        last_scan = -1 if cell is None else cell.last_scan
        self._out.news(self._desk.order(order, last_scan, self._out.time))

    def _silence(self, silence: FeedSilence) -> None:
        """A part of a feed is late, by the clock of the machine."""
        cell = self._cells.get(silence.cell)
        if cell is not None:
            self._out.news(cell.watch.silence(silence, scanning=bool(cell.scans.open)))


def _feed_of(record: Record) -> str:
    match record:
        case CyclerDocument():
            return "documents"
        case OperatorRequest() | PolicyChange() | OperatorNote() | Acknowledgement():
            return "operator"
    return "slices"
