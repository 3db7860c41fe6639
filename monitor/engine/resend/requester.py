"""Requests lost messages again, at the producers' resend services.

Nothing here blocks. Questions are few and small: so many slices in one, so many without an answer
at an address, longer and longer pauses before the same slice is requested again, and then no more
requests.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import zmq

from monitor.core.arrival.cell_scans import MAX_OPEN_SCANS
from monitor.core.arrival.missing_slices import Lacking, MissedScan, Unknown
from monitor.engine.access import Gate
from monitor.engine.feeds.subscribe import Received, largest_message
from monitor.engine.resend.connection import BATCH_SLICES, Batch, Endpoint
from monitor.engine.resend.retry_schedule import RetrySchedule, pause_s
from monitor.errors import BadMessage, SettingError
from monitor.records import (
    BadInput,
    ConnectionChange,
    FeedQuiet,
    ResendEnd,
    ResendQuestion,
    ScanKey,
    ScanStart,
)
from monitor.settings import FeedSettings, SecuritySettings
from monitor.wire import resend as wire
from monitor.wire.slices.limits import limits_of
from monitor.wire.slices.stins import Frame

BATCH_BYTES = 2**26
MAX_ENDPOINTS = 8
MOST_SKIPPED = 16
"""Number of successive scans that no service has, after which later scans are no longer requested:
services keep only the newest, and the engine may have been off for longer."""
MAX_HEADER_TRIES, HEADER_ANSWER_S, MOST_REFUSALS = 4, 0.5, 2
"""Later scans wait for one whose header is requested: within 6 s it is known whether it arrives."""


@dataclass(slots=True)
class _Search:
    """One header that is looked for. `refusals`: answers that did not bring it; `told`: that nobody
    has it."""

    tries: int = 0
    due: float = 0.0
    refusals: int = 0
    told: bool = False

    def is_refused(self, addresses: int) -> bool:
        """Whether all services have said twice that they do not have it."""
        return self.refusals >= MOST_REFUSALS * max(1, addresses)

    def is_silent(self, now: float) -> bool:
        """Whether it has been requested often enough, and waited for."""
        return self.tries >= MAX_HEADER_TRIES and now >= self.due


class ResendRequester:
    """Requests the missing slices of open scans. For one thread only."""

    def __init__(
        self,
        settings: FeedSettings,
        gate: Gate | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises SettingError if an address in feeds.resend is not valid, or must not be connected
        to."""
        self._settings = settings
        self._gate = gate or Gate(SecuritySettings())
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._refused: dict[str, None] = {}
        self._schedules: dict[ScanKey, RetrySchedule] = {}
        self._searches: dict[Unknown, _Search] = {}
        self._missed: dict[Unknown, MissedScan] = {}
        self._told: list[BadInput] = []
        self._changes: list[ConnectionChange] = []
        self._numbers = itertools.count(1)
        self._limits = limits_of(settings)
        if not isinstance(settings.resend, str):
            try:
                for address in settings.resend:
                    self._endpoints[address] = self._open(address)
            except SettingError:
                self.close()
                raise

    @property
    def is_waiting(self) -> bool:
        """Whether answers are on their way."""
        return any(endpoint.batches for endpoint in self._endpoints.values())

    @property
    def is_expecting(self) -> bool:
        """Whether answers are on their way from a service that answers."""
        return any(one.is_expecting(self._clock()) for one in self._endpoints.values())

    @property
    def busy_cells(self) -> set[str]:
        """Cells with a scan that has ended and whose slices are being requested."""
        return {key.cell for key, schedule in self._schedules.items() if schedule.is_over}

    def take(self) -> Iterator[Received]:
        """The answers that have arrived."""
        told, self._told = self._told, []
        yield from (Received("slices", None, one) for one in told)
        changes, self._changes = self._changes, []
        yield from (Received("connections", None, one) for one in changes)
        for endpoint in list(self._endpoints.values()):
            yield from (Received("connections", None, one) for one in endpoint.changes())
            for frames in endpoint.answers(self._clock):
                received = self._received(endpoint, frames)
                if received is not None:
                    yield received

    def catch_up(self, missed: Iterable[MissedScan]) -> None:
        """Requests scans that may have been sent while the engine was not running, and then those
        after the newest, one after another, until there is none."""
        self._missed = {Unknown(one.cell, "", one.scan): one for one in missed}

    @property
    def is_behind(self) -> bool:
        """Whether scans are still being requested that may have been sent while the engine was not
        running."""
        return bool(self._missed)

    @property
    def is_looking_back(self) -> bool:
        """Whether scans are being requested that are earlier than the first known one of a cell."""
        return any(not one.newest for one in self._missed.values())

    def look(
        self,
        lacking: Sequence[Lacking],
        unknown: Sequence[Unknown],
        addresses: Sequence[str],
        open_scans: Mapping[str, int] | None = None,
    ) -> list[FeedQuiet]:
        """Requests what is missing now; the answers that were taken are already counted.

        `unknown`: what has no header, which is asked for at all `addresses`; `open_scans`: how many
        scans of each cell are not finished. Returns the ended scans and the headers that are given
        up.
        """
        now = self._clock()
        for headless in [h for h in self._missed if self._is_hopeless(h, now, addresses)]:
            self._skip(headless, len(addresses))
        unknown = self._with_room([*unknown, *self._missed], open_scans or {})
        self._follow(lacking, unknown, now)
        self._settle(now)
        for headless in unknown:
            self._ask_for_header(headless, addresses, now)
        for one in lacking:
            self._ask_for_slices(one, now)
        hopeless = [key for key, schedule in self._schedules.items() if schedule.is_hopeless(now)]
        quiet = [FeedQuiet(cell=key.cell, run=key.run, scan=key.scan) for key in hopeless]
        for headless, search in self._searches.items():
            if not headless.stream or search.told:
                continue
            if self._is_hopeless(headless, now, addresses):
                search.told = True
                cell, scan, stream = headless.cell, headless.scan, headless.stream
                quiet.append(FeedQuiet(cell=cell, scan=scan, stream=stream))
        return quiet

    def close(self) -> None:
        """Closes the connections; a second call does nothing."""
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None
        self._endpoints.clear()

    # --- answers ----------------------------------------------------------------------------------

    def _received(self, endpoint: Endpoint, frames: list[Frame]) -> Received | None:
        try:
            record = wire.decode_answer(frames, self._limits)
            if isinstance(record, ScanStart) and not self._looked_for(record):
                raise BadMessage(
                    "unasked",
                    f"resend: a header of cell {record.key.cell[:40]!r} scan {record.key.scan}, "
                    "which was not requested; dropped",
                )
        except BadMessage as error:
            return Received("slices", frames, BadInput("slices", error.kind, str(error)))
        if isinstance(record, ResendEnd):
            endpoint.ended(record)
            return None
        return Received("resend", frames, record)

    def _looked_for(self, start: ScanStart) -> bool:
        cell, number = start.key.cell, start.number
        missed = self._missed.get(Unknown(cell, "", number))
        if missed is not None and missed.may_be(start):
            del self._missed[Unknown(cell, "", number)]
            if missed.newest:
                following = MissedScan(cell, number + 1, start.start_time)
                self._missed[Unknown(cell, "", following.scan)] = following
            return True
        return Unknown(cell, start.stream, number) in self._searches

    def _with_room(
        self, unknown: Sequence[Unknown], open_scans: Mapping[str, int]
    ) -> list[Unknown]:
        """Those whose scans can be opened beside the open ones of their cells: one more would end
        the oldest with what it lacks. Those requested before are first."""
        room = {cell: MAX_OPEN_SCANS - count for cell, count in open_scans.items()}
        found = []
        for one in sorted(unknown, key=lambda one: one not in self._searches):
            search = self._searches.get(one)
            is_given_up = search is not None and search.told
            if is_given_up or room.get(one.cell, MAX_OPEN_SCANS) > 0:
                found.append(one)
                room[one.cell] = room.get(one.cell, MAX_OPEN_SCANS) - (not is_given_up)
        return found

    def _skip(self, headless: Unknown, addresses: int) -> None:
        """Nobody has this scan; if the services say so, they may have a later one."""
        missed, search = self._missed.pop(headless), self._searches[headless]
        if missed.newest and missed.skipped < MOST_SKIPPED and search.is_refused(addresses):
            later = replace(missed, scan=missed.scan + 1, skipped=missed.skipped + 1)
            self._missed.setdefault(Unknown(later.cell, "", later.scan), later)

    def _is_hopeless(self, headless: Unknown, now: float, addresses: Sequence[str]) -> bool:
        """Whether all services have said twice that they do not have it, or long been silent; one
        that sends slices answers later."""
        search = self._searches.get(headless)
        if search is None:
            return False
        ends = self._endpoints.values()
        waited_for = any(batch.key == headless for end in ends for batch in end.batches)
        return search.is_refused(len(addresses)) or (search.is_silent(now) and not waited_for)

    def _follow(self, lacking: Sequence[Lacking], unknown: Sequence[Unknown], now: float) -> None:
        """How the scans stand; those that lack nothing any more are forgotten."""
        there = {one.key: one for one in lacking}
        self._schedules = {key: p for key, p in self._schedules.items() if key in there}
        for key, one in there.items():
            if key not in self._schedules:
                self._schedules[key] = RetrySchedule(one, self._settings.quiet_s, now)
            self._schedules[key].look(one, now)
        self._searches = {one: self._searches.get(one, _Search()) for one in unknown}

    def _settle(self, now: float) -> None:
        """Questions that are answered, or whose answer is not waited for any longer."""
        for endpoint in self._endpoints.values():
            endpoint.batches = [b for b in endpoint.batches if not self._is_settled(b, now)]

    def _is_settled(self, batch: Batch, now: float) -> bool:
        ended = batch.unknown is not None or now > batch.until
        if isinstance(batch.key, Unknown):
            search = self._searches.get(batch.key)
            if search is not None and batch.unknown is not None:
                search.refusals += 1  # had the header come with the answer, none would look for it
                search.due = now + pause_s(search.tries)
            return ended
        schedule = self._schedules.get(batch.key)
        if schedule is None:
            return True
        if ended or not schedule.lacks(batch.question.frames):
            schedule.answered(batch.question.frames, batch.unknown or (), now)
            return True
        return False

    # --- questions --------------------------------------------------------------------------------

    def _ask_for_slices(self, lacking: Lacking, now: float) -> None:
        endpoint = self._endpoint(lacking.address)
        schedule = self._schedules[lacking.key]
        if lacking.address in self._refused:
            schedule.give_up()
        most = max(1, min(BATCH_SLICES, BATCH_BYTES // lacking.slice_bytes))
        while endpoint is None or endpoint.has_room:
            frames = schedule.wanted(most, now)
            if not frames:
                return
            key = lacking.key
            question = ResendQuestion(
                key.cell, lacking.number, frames, stream=lacking.stream, id=next(self._numbers)
            )
            if endpoint is None or not endpoint.ask(key, question, now):
                schedule.answered(frames, (), now)
            else:
                schedule.asked(frames)

    def _ask_for_header(self, unknown: Unknown, addresses: Sequence[str], now: float) -> None:
        search = self._searches[unknown]
        if not addresses or search.told or search.tries >= MAX_HEADER_TRIES or now < search.due:
            return
        endpoints = [one for one in map(self._endpoint, addresses) if one is not None]
        if not all(endpoint.has_room_for_header for endpoint in endpoints):
            return
        search.tries += 1
        search.due = now + pause_s(search.tries)
        for endpoint in endpoints:
            number = next(self._numbers)
            question = ResendQuestion(
                unknown.cell, unknown.scan, header=True, stream=unknown.stream, id=number
            )
            if endpoint.ask(unknown, question, now):
                search.due = now + HEADER_ANSWER_S + pause_s(search.tries)

    def _endpoint(self, address: str) -> Endpoint | None:
        """The connection to an address out of a header; None if there is none now. If there
        can be none, that is reported."""
        if address in self._endpoints or address in self._refused or not self._has_room():
            return self._endpoints.get(address)
        try:
            self._endpoints[address] = self._open(address)
        except SettingError as error:
            self._refused[address] = None
            self._told.append(BadInput("slices", "resend_refused", f"slices: {error}"))
        return self._endpoints.get(address)

    def _has_room(self) -> bool:
        """Makes room for one more address: a producer that is started again may have another."""
        if len(self._refused) >= MAX_ENDPOINTS:
            self._refused.clear()
        if len(self._endpoints) < MAX_ENDPOINTS:
            return True
        idle = next((a for a, one in self._endpoints.items() if not one.batches), None)
        if idle is not None:
            left = self._endpoints.pop(idle)
            self._changes += left.dismissed()
            left.close()
        return idle is not None

    def _open(self, address: str) -> Endpoint:
        self._context = self._context or zmq.Context()
        longest = largest_message(self._limits)
        limit = f"{longest / 1e6:.0f} MB (feeds.max_slice_Mpx is {self._settings.max_slice_Mpx:g})"
        return Endpoint(self._context, self._gate, address, longest, limit)
