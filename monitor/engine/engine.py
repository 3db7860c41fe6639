"""The engine: one thread receives messages and computes; recorder and publisher have threads of
their own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Literal, Protocol

from monitor.core.session import Session
from monitor.engine.access import Gate
from monitor.engine.failures import Failures
from monitor.engine.feeds.clock_offset import Clocks
from monitor.engine.feeds.silence import Silences
from monitor.engine.feeds.subscribe import Received
from monitor.engine.machine import leave_a_core
from monitor.engine.recorder import Recorder
from monitor.engine.requests.requester import Answer, Requester
from monitor.engine.resend.requester import ResendRequester
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.publisher import Publisher
from monitor.engine.serving.replies import Section
from monitor.errors import PitwatchError
from monitor.recording.journal import writable
from monitor.records import (
    FINAL_REPLIES,
    ChannelValue,
    ConnectionChange,
    CyclerDocument,
    CyclerPoint,
    Event,
    FeedQuiet,
    Order,
    Output,
    Record,
    RecordingTrouble,
    ScanReply,
    ScanRequest,
    ScanStart,
    SliceFrame,
)
from monitor.settings import Settings
from monitor.wire.results.state import Kernels

POLL_MS, ASKING_MS = 50, 5
SHOW_EVERY_S = 0.05
HOLD_S, LOOK_BACK_S, HOLD_STEP_S = 0.5, 6.0, 0.001
MAX_ORDERS = 100


class Source(Protocol):
    """Where messages come from: live sockets, or a recording."""

    def take(self, timeout_ms: int) -> Iterator[Received]:
        """The messages that have arrived; waits up to `timeout_ms` if there are none."""

    def close(self) -> None: ...


class Engine:
    """Joins source, session, recorder, publisher and requester. It owns no data.

    A replay requests nothing and waits for nothing: replies and silences are read from the
    recording.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        *,
        mode: Literal["live", "replay"] = "live",
        recorder: Recorder | None = None,
        section: Section | None = None,
        on_output: Callable[[Output], None] | None = None,
        gate: Gate | None = None,
        identity: str | None = None,
        ended: Callable[[], bool] = lambda: False,
        kernels: Callable[[], Kernels] | None = None,
        on_header: Callable[[ScanStart], None] | None = None,
    ) -> None:
        """`gate`: who may connect and what the engine connects to; by default as in the settings.
        `identity`: id of the recording that is replayed; None: that of the recorder. `ended`:
        returns whether the source has no more messages. `kernels`: returns how many kernels are
        compiled, which is reported until `run` or `go_on` is called. `on_header`: called with each
        header before it is processed."""
        if identity is None:
            identity = "" if recorder is None else recorder.identity
        gate = gate or Gate(settings.security)
        self._settings = settings
        self._source = source
        self._recorder = recorder
        self._failures = recorder.failures if recorder is not None else Failures()
        self._on_output = on_output
        self._on_header = on_header
        self._ended = ended
        self._orders: deque[Order] = deque()
        self._session = Session(settings, identity=identity)
        self._requester = Requester(settings.requests, gate) if mode == "live" else None
        self._resender = ResendRequester(settings.feeds, gate) if mode == "live" else None
        self._publisher = Publisher(
            settings,
            section=recorder.section if recorder else section,
            on_operator=self._take_order,
            stored_map=recorder.stored_map if recorder else None,
            mode=mode,
            gate=gate,
            on_failure=lambda error: self._failures.add("serving", error),
            kernels=kernels,
        )
        self._silences = Silences(settings.watch, settings.schedule.period_s)
        self._clocks = Clocks() if mode == "live" else None
        self._last_slice: dict[str, float] = {}
        self._asked: dict[str, str] = {}
        self._last_shown = 0.0
        self._new_points: list[CyclerPoint] = []
        self._resuming = False
        self._without_scans: set[str] = set()
        self._looks_back_until = 0.0
        self._new_channels: list[ChannelValue] = []

    @property
    def pull_address(self) -> str:
        return self._publisher.pull_address

    @property
    def status_address(self) -> str:
        return self._publisher.status_address

    def go_on(self, records: Iterable[tuple[str, Record]], stop: threading.Event) -> None:
        """Process the messages of an interrupted recording as if they arrived now; then repeat the
        requests whose scans have not arrived. Raises RecordingError if the recording is damaged."""
        self._resuming = True
        for feed, record in records:
            if stop.is_set():
                if self._recorder is not None:
                    self._recorder.leave_broken()
                return
            record = self._session.named(record)
            outputs = self._feed(record)
            if self._recorder is not None:
                self._recorder.write_again(feed, record, outputs)
            self._show(outputs)
        if self._recorder is not None:
            self._recorder.written_again()
        now = time.monotonic()
        self._last_slice = {cell.name: now for cell in self._settings.cells}
        for feed, cell, state in self._session.silences:
            self._silences.go_on(feed, cell, state, now)
        for part in self._session.troubles:  # as when the engine was killed
            over = RecordingTrouble(False, 0, "a new engine has resumed the recording", part)
            self._handle(Received("recording", None, over))
        for lost in self._session.lost_connections:
            text = f"{lost.setting}: a new engine connects to {lost.address}"
            self._handle(Received("connections", None, replace(lost, state="back", text=text)))
        if self._resender is not None:
            self._look_back(self._resender)
            self._without_scans = self._session.outstanding.without_scans
        if self._requester is not None:
            for request in self._session.unserved:
                self._hand_on(self._requester, request)
        self._resuming = False

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. No message, however bad, ends it; an error of our own does:
        then call `fail` before `close`."""
        leave_a_core()
        while not stop.is_set():
            for received in self._source.take(ASKING_MS if self._is_asking else POLL_MS):
                self._handle(received)
                if self._resender is not None:
                    self._hold(self._resender, stop)
            self._recover()
            if self._requester is not None:
                for feed, record in self._reported(self._requester):
                    self._handle(Received(feed, None, record))
            self._show(())

    def fail(self, error: BaseException) -> str:
        """An internal error ends the engine: it is logged in full and reported to screens and
        recording as far as they still work; the recording can be resumed. Returns a one-line
        description."""
        if self._recorder is not None:
            self._recorder.leave_broken()
        costs = "the replay ends" if self._requester is None else ""
        text = self._failures.add("engine", error, costs=costs)
        try:
            self._handle(Received("recording", None, RecordingTrouble(True, 0, text, "engine")))
        except Exception as another:
            self._failures.write("engine", another)
        return text

    def close(self) -> None:
        """Write and send everything that waits, then free files and addresses. An exception in one
        part does not prevent the others from being closed."""
        with contextlib.ExitStack() as stack:
            for last in (self._resender, self._requester, self._publisher):
                if last is not None:
                    stack.callback(last.close)
            stack.callback(self._show, (), force=True)
            if self._recorder is not None:
                stack.callback(self._recorder.close)
            stack.callback(self._source.close)

    @property
    def _is_asking(self) -> bool:
        """Whether an answer is awaited, beside the feeds."""
        return bool(self._asked) or (self._resender is not None and self._resender.is_waiting)

    def _look_back(self, resender: ResendRequester) -> None:
        """Requests the scans that may have been sent while no engine ran."""
        resender.catch_up(self._session.outstanding.missed)
        self._looks_back_until = time.monotonic() + LOOK_BACK_S

    def _is_looking_back(self, resender: ResendRequester) -> bool:
        """Whether it is not known yet if a resumed cell has a scan before its first."""
        is_asking = resender.is_looking_back and bool(self._session.outstanding.resend_addresses)
        return is_asking and time.monotonic() < self._looks_back_until

    def _hold(self, resender: ResendRequester, stop: threading.Event) -> None:
        """Waits a moment before the next message if it would be too early: a resumed cell's first
        scan would be concluded before an earlier one; slices behind a missing one fill the memory
        for that; or no more scans may wait, and the oldest would be given up."""
        outstanding = self._session.outstanding
        if not (outstanding.pressure or self._is_looking_back(resender)):
            return
        end = time.monotonic() + HOLD_S
        self._recover()
        while self._is_looking_back(resender) or (
            outstanding.pressure and resender.is_expecting and time.monotonic() < end
        ):
            if stop.wait(HOLD_STEP_S):
                return
            self._recover()

    def _recover(self) -> None:
        """What was lost on the way is taken in, and asked for; or given up, at the end."""
        if self._resender is None:
            return
        for received in self._resender.take():
            self._handle(received)
        lack = self._session.outstanding
        for quiet in self._resender.look(
            lack.lacking, lack.unknown, lack.resend_addresses, lack.open_scans
        ):
            self._handle(Received("slices", None, quiet))

    def _reported(self, requester: Requester) -> Iterator[tuple[str, Record]]:
        """What comes by other ways than the feeds, one after the other."""
        for reply in requester.poll():
            feed = "connections" if isinstance(reply, ConnectionChange) else "replies"
            yield feed, self._stamped(reply)
        for crowd in self._publisher.changes():
            yield "connections", crowd
        while self._orders:
            yield "operator", self._orders.popleft()
        for trouble in (self._recorder or self._failures).troubles():
            yield "recording", trouble
        now, session = time.monotonic(), self._session
        for change in self._silences.look(
            session.outstanding.unfinished, now, session.overdue, session.ended_runs
        ):
            yield change.feed, change
        for clock in self._clocks.look(time.time(), now) if self._clocks is not None else ():
            yield "documents", clock
        for quiet in self._quiet_cells():
            yield "slices", quiet

    def _quiet_cells(self) -> Iterator[FeedQuiet]:
        """Cells of which no slice has come for so long that their scans are finished as they are:
        sooner if what they lack is not being asked for."""
        lack, feeds = self._session.outstanding, self._settings.feeds
        busy = self._resender.busy_cells if self._resender is not None else set()
        waiting, busy = lack.waiting, busy | lack.held
        for cell in lack.unfinished:
            silence = time.monotonic() - self._last_slice.get(cell, 0.0)
            if silence > feeds.give_up_s:
                yield FeedQuiet(cell=cell, given_up=True)
            elif cell in waiting and cell not in busy and silence > feeds.quiet_s:
                yield FeedQuiet(cell=cell)

    def _stamped(self, reply: Answer) -> Answer:
        """A reply, with how long after its cell's last slice the request was taken up."""
        if not isinstance(reply, ScanReply) or reply.status in FINAL_REPLIES:
            return reply
        last = self._last_slice.get(self._asked.get(reply.id, ""))
        return reply if last is None else replace(reply, after_s=time.monotonic() - last)

    def _handle(self, received: Received) -> None:
        """The way of one record: received, taken in, recorded, handed on, shown."""
        record = writable(self._session.named(received.record))
        self._note_slice(record)
        if self._on_header is not None and isinstance(record, ScanStart):
            self._on_header(record)
        outputs = self._feed(record)
        if self._recorder is not None:
            # first of all: what was taken in is not lost by what follows
            self._recorder.write(received.feed, received.frames or (), record, outputs)
        if isinstance(record, ScanStart) and record.key.cell in self._without_scans:
            self._without_scans.remove(record.key.cell)
            if self._resender is not None:
                self._look_back(self._resender)
        self._note_readings()
        for output in outputs:
            if self._requester is not None:
                self._hand_on(self._requester, output)
            if self._on_output is not None:
                self._on_output(output)
        self._show(outputs, force=isinstance(record, CyclerDocument))

    def _note_slice(self, record: Record) -> None:
        """When slices of a cell were received last, by this machine's clock."""
        if not isinstance(record, SliceFrame | ScanStart):
            return
        cell = record.cell if isinstance(record, SliceFrame) else record.key.cell
        if self._settings.cell(cell) is not None:
            self._last_slice[cell] = time.monotonic()
            self._silences.heard("slices", cell, time.monotonic())

    def _note_readings(self) -> None:
        """When readings of a cell were received last, and how they stand against the clock."""
        for cell in self._session.heard:
            self._silences.heard("documents", cell, time.monotonic())
        if self._clocks is not None:
            for point in self._session.points:
                reading = point.reading
                self._clocks.heard(reading.cell, reading.time, time.time(), time.monotonic())

    def _feed(self, record: Record) -> tuple[Output, ...]:
        outputs = self._session.feed(record)
        self._new_points += self._session.points
        self._new_channels += self._session.channel_values
        return outputs

    def _take_order(self, order: Order) -> None:
        """Called in the serving thread. Raises PitwatchError if too many wait already."""
        if len(self._orders) >= MAX_ORDERS:
            raise PitwatchError(
                f"{MAX_ORDERS} orders are already waiting: the engine is busy; try again"
            )
        self._orders.append(order)

    def _hand_on(self, requester: Requester, output: Output) -> None:
        """Requests go to the acquisition; those whose scan is under way are not sent again."""
        if isinstance(output, ScanRequest):
            self._asked[output.id] = output.cell
            requester.send(output)
        elif isinstance(output, Event) and output.kind == "scan_reply":
            if output.data["status"] != "accepted":
                requester.settle(output.data["id"])
            if output.data["status"] in FINAL_REPLIES:
                self._asked.pop(output.data["id"], None)

    def _show(self, outputs: tuple[Output, ...], *, force: bool = False) -> None:
        """Hand on what is new; counters alone at most twenty times a second."""
        now = time.monotonic()
        if not (outputs or force) and now - self._last_shown < SHOW_EVERY_S:
            return
        self._last_shown = now
        points, self._new_points = self._new_points, []
        channels, self._new_channels = self._new_channels, []
        session = self._session
        self._publisher.update(
            outputs,
            EngineState(
                feeds=session.feeds,
                running=session.running,
                cycler=session.cycler,
                recorder=self._recorder.status if self._recorder else {},
                references=session.reference_charges_mAh,
                policies=session.policies,
                watches=session.watches,
                clock_offsets_s=self._clock_offsets_s,
                silence=self._silences.state,
                ended=self._ended(),
                resuming=self._resuming,
            ),
            points,
            channels,
        )

    @property
    def _clock_offsets_s(self) -> dict[str, float | None]:
        clocks = self._clocks
        return {c.name: clocks.estimate_s(c.name) for c in self._settings.cells} if clocks else {}
