"""One resend service as the engine sees it: a connection, and the questions on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import zmq

from monitor.core.recovery import Unknown
from monitor.engine.gate import Gate
from monitor.engine.subscribe import RECONNECT_MS
from monitor.errors import SettingError
from monitor.records import ResendEnd, ResendQuestion, ScanKey
from monitor.wire import resend as wire
from monitor.wire.stins import Frame

BATCH_SLICES = 64
BATCHES_IN_FLIGHT = 2
ANSWER_S, SILENT_S = 2.0, 1.0
ANSWERS_WAITING = 2 * BATCHES_IN_FLIGHT * BATCH_SLICES
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
    ) -> None:
        """Connects. Raises SettingError where the address is none, or is not to be reached."""
        self.batches: list[Batch] = []
        self._silent_since: float | None = None
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.maxmsgsize = longest_bytes
        self._socket.rcvhwm = ANSWERS_WAITING
        self._socket.sndhwm = BATCHES_IN_FLIGHT
        # a service that comes back must not find a heap of old questions
        self._socket.immediate = True
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        try:
            gate.reach(self._socket, "feeds.resend", address)
            self._socket.connect(address)
        except SettingError:
            self.close()
            raise
        except zmq.ZMQError as error:
            self.close()
            raise SettingError(
                "feeds.resend",
                got=address,
                expected="an address such as tcp://127.0.0.1:5602",
                todo=f"correct it ({error.strerror})",
            ) from None

    @property
    def has_room(self) -> bool:
        return len(self.batches) < BATCHES_IN_FLIGHT

    def ask(self, key: ScanKey | Unknown, question: ResendQuestion, now: float) -> bool:
        """False where nobody is there to take the question."""
        try:
            self._socket.send(wire.encode_question(question), zmq.DONTWAIT)
        except zmq.Again:
            return False
        self.batches.append(Batch(key, question, now + ANSWER_S))
        self._silent_since = now if self._silent_since is None else self._silent_since
        return True

    def is_expecting(self, now: float) -> bool:
        """Whether an answer is on its way, as far as can be told: a service that has said nothing
        to the questions of the last second will not do so in the next."""
        silent = 0.0 if self._silent_since is None else now - self._silent_since
        return bool(self.batches) and silent < SILENT_S

    def answers(self, clock: Callable[[], float]) -> Iterator[list[Frame]]:
        """The messages that have come, some at once."""
        for _ in range(ANSWERS_AT_ONCE):
            try:
                parts = self._socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            self._silent_since = None
            for batch in self.batches:  # the rest of an answer may take its time
                batch.until = max(batch.until, clock() + ANSWER_S)
            yield [part.buffer for part in parts]

    def ended(self, end: ResendEnd) -> None:
        """An answer is complete."""
        for batch in self.batches:
            if batch.question.id == end.id:
                batch.unknown = end.frames

    def close(self) -> None:
        self._socket.close(0)
