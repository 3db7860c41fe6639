"""One resend service as the engine sees it: a connection, and the questions without an answer
yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import zmq

from monitor.core.arrival.missing_slices import Unknown
from monitor.engine.access import Gate
from monitor.errors import SettingError
from monitor.records import ConnectionChange, ResendEnd, ResendQuestion, ScanKey
from monitor.sockets.connection import Connection
from monitor.wire import resend as wire
from monitor.wire.slices.stins import Frame

BATCH_SLICES = 64
BATCHES_IN_FLIGHT = 2
ANSWER_S, SILENT_S = 2.0, 1.0
MOST_WAITING, LEAST_WAITING, WAITING_BYTES = 2 * BATCHES_IN_FLIGHT * BATCH_SLICES, 4, 2**28
"""Of answers, in the socket: there are so many only of slices that are small enough."""
ANSWERS_AT_ONCE = 64


@dataclass(slots=True)
class Batch:
    """A question on its way. `key`: the scan whose slices it asks for, or what has no header;
    `unknown`: what the service does not have, once it has said so."""

    key: ScanKey | Unknown
    question: ResendQuestion
    until: float
    unknown: tuple[int, ...] | None = None


class Endpoint:
    """One resend service, and what it has been asked."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        gate: Gate,
        address: str,
        longest_bytes: int,
        limit: str = "",
    ) -> None:
        """Connects. An answer has at most `longest_bytes` bytes; `limit` names this limit and its
        setting. Raises SettingError if the address is not valid, or must not be connected to."""
        self.batches: list[Batch] = []
        self._silent_since: float | None = None
        self._socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.maxmsgsize = longest_bytes
        self._socket.rcvhwm = max(LEAST_WAITING, min(MOST_WAITING, WAITING_BYTES // longest_bytes))
        self._socket.sndhwm = BATCHES_IN_FLIGHT
        # a service that comes back must not find a heap of old questions
        self._socket.immediate = True
        try:
            gate.reach(self._socket, "feeds.resend", address)
            self._connection = Connection(
                self._socket,
                "feeds.resend",
                address,
                limit=limit,
                limit_setting="feeds.max_slice_Mpx",
            )
        except SettingError:
            self._socket.close(0)
            raise
        except zmq.ZMQError as error:
            self._socket.close(0)
            raise SettingError(
                "feeds.resend",
                got=address,
                expected="an address such as tcp://127.0.0.1:5602",
                todo=f"correct it ({error.strerror})",
            ) from None

    @property
    def has_room(self) -> bool:
        return len(self.batches) < BATCHES_IN_FLIGHT

    @property
    def has_room_for_header(self) -> bool:
        """Whether a header may be requested: one more question is allowed, so that a header need
        not wait until there are no slices left to request."""
        return len(self.batches) <= BATCHES_IN_FLIGHT

    def ask(self, key: ScanKey | Unknown, question: ResendQuestion, now: float) -> bool:
        """Sends a question; False if the service is not connected."""
        try:
            self._socket.send(wire.encode_question(question), zmq.DONTWAIT)
        except zmq.Again:
            return False
        self.batches.append(Batch(key, question, now + ANSWER_S))
        self._silent_since = now if self._silent_since is None else self._silent_since
        return True

    def is_expecting(self, now: float) -> bool:
        """Whether an answer can be expected: a service that has not answered the questions of the
        last second is not expected to answer in the next."""
        silent = 0.0 if self._silent_since is None else now - self._silent_since
        return bool(self.batches) and silent < SILENT_S

    def answers(self, clock: Callable[[], float]) -> Iterator[list[Frame]]:
        """The messages that have arrived, several at a time."""
        for _ in range(ANSWERS_AT_ONCE):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            self._silent_since = None
            for batch in self.batches:  # the rest of an answer may take its time
                batch.until = max(batch.until, clock() + ANSWER_S)
            yield [part.buffer for part in parts]

    def changes(self) -> list[ConnectionChange]:
        """Changes of the connection, which is checked by this call."""
        return self._connection.look()

    def dismissed(self) -> list[ConnectionChange]:
        """What is reported when the service is not asked any more; `close` comes next."""
        return self._connection.dismissed()

    def ended(self, end: ResendEnd) -> None:
        """An answer is complete."""
        for batch in self.batches:
            if batch.question.id == end.id:
                batch.unknown = end.frames

    def close(self) -> None:
        self._connection.close()
