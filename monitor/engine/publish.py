"""Results out: status messages by PUB, answers by ROUTER, both served by one thread."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import zmq

from monitor.connection import keep_alive
from monitor.engine.accepted import HANDSHAKE_MS, Accepted, most_clients
from monitor.engine.answers import Answers, Section, error_reply
from monitor.engine.failures import Failures
from monitor.engine.gate import Gate, Role
from monitor.engine.health import Silence
from monitor.engine.scans import StoredMap
from monitor.engine.store import Store
from monitor.errors import BadMessage, PitwatchError, SettingError
from monitor.records import (
    ConnectionChange,
    CyclerPoint,
    CyclerReading,
    Event,
    Order,
    ScanRequest,
    ScanResult,
)
from monitor.settings import Settings
from monitor.wire.asked import decode_request
from monitor.wire.fields import MAX_NAME, Frame
from monitor.wire.questions import Request

__all__ = ["Publisher", "Section"]

Envelope = list[bytes]
"""Whom a reply goes to; of a REQ socket with the empty frame that it expects before the reply."""

HEARTBEAT_S = 1.0
REPLIES_WAITING_PER_SCREEN = 32
STATUS_WAITING_PER_SCREEN = 1000
MAX_SLOW_WAITING = 64
MAX_CHANGES = 100
QUESTIONS_WAITING_PER_SCREEN = 64
PAUSE_S = 0.2
"""After an error of our own, before the serving goes on."""
MAX_MESSAGE_BYTES = 2**20
"""What a screen sends beyond this costs it the connection; memory is not taken for it."""


class Publisher:
    """Keeps the newest results and serves any number of screens; none of them can slow the writer.

    One thread, the compute thread, calls `update`. `section`, `stored_map` and `on_operator` are
    called in the serving thread. Raises PitwatchError where an address cannot be bound.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        section: Section | None,
        on_operator: Callable[[Order], None],
        stored_map: StoredMap | None,
        mode: str = "live",
        gate: Gate | None = None,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> None:
        """`gate`: who may connect; by default as the settings say. `on_failure`: is told of each
        error of our own in the serving threads, which go on."""
        failures = Failures()
        self._on_failure = on_failure or (lambda error: failures.add("serving", error))
        self._beat = time.monotonic()
        self._gate = gate or Gate(settings.security)
        self._store = Store(settings, stored_map, mode, lambda: self._gate.status)
        self._answers = Answers(settings, self._store, section, self._gate, on_operator)
        self._slow: queue.Queue[tuple[Envelope, Request, Role] | None]
        self._slow = queue.Queue(MAX_SLOW_WAITING)
        self._ready: deque[tuple[Envelope, list[Frame]]] = deque()
        self._stop = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._guarded = False
        try:
            self._pub = self._bind(zmq.PUB, "results.status", settings.results.status)
            self._router = self._bind(zmq.ROUTER, "results.pull", settings.results.pull)
        except PitwatchError:
            self._gate.leave(self._context)
            self._context.destroy(linger=0)
            raise
        most = most_clients()
        self._accepted = [
            Accepted(self._pub, "results.status", most),
            Accepted(self._router, "results.pull", most),
        ]
        self._changes: deque[ConnectionChange] = deque(maxlen=MAX_CHANGES)
        self.status_address = self._pub.getsockopt_string(zmq.LAST_ENDPOINT)
        self.pull_address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._serve, name="publish", daemon=True)
        self._slow_thread = threading.Thread(
            target=self._answer_slowly, name="publish from disk", daemon=True
        )
        self._thread.start()
        self._slow_thread.start()

    def update(
        self,
        outputs: Iterable[Event | ScanResult | ScanRequest],
        *,
        feeds: Mapping[str, Any],
        running: Mapping[str, Mapping[str, Any] | None],
        cycler: Mapping[str, CyclerReading],
        recorder: Mapping[str, Any] | None = None,
        points: Iterable[CyclerPoint] = (),
        references: Mapping[str, float | None] | None = None,
        policies: Mapping[str, Mapping[str, Any]] | None = None,
        watches: Mapping[str, Mapping[str, Any]] | None = None,
        clock_offsets_s: Mapping[str, float | None] | None = None,
        silence: Silence | None = None,
        ended: bool = False,
    ) -> None:
        """Takes what one message brought. The mappings are kept: do not change them afterwards.

        `cycler`: the last reading of each cell; `points`: all readings that are new; `references`:
        net charge that each cell's reference scan found stripped, mAh; `policies` and
        `watches`: as they stand; `clock_offsets_s`: estimates, by cell (docs/watchdog.md);
        `silence`: when each feed was last heard; `ended`: nothing more comes out of a recording.
        """
        self._store.update(
            outputs,
            feeds,
            running,
            cycler,
            recorder,
            points,
            references,
            policies,
            watches,
            clock_offsets_s,
            silence,
            ended=ended,
        )
        if self._store.outbox:
            self._nudge()

    def changes(self) -> list[ConnectionChange]:
        """What has become of the clients' connections since this was last asked."""
        return [self._changes.popleft() for _ in range(len(self._changes))]

    def close(self) -> None:
        """Sends what waits, stops serving and frees the addresses."""
        self._stop.set()
        self._nudge()
        self._thread.join(timeout=10)
        with contextlib.suppress(queue.Empty):
            while True:
                self._slow.get_nowait()
        self._slow.put(None)
        self._slow_thread.join(timeout=10)
        self._wake.close()
        self._woken.close()

    def _nudge(self) -> None:
        # where the last nudges are still unread the thread wakes anyway; where it has ended, let it
        with contextlib.suppress(OSError):
            self._wake.send(b"1")

    def _bind(self, kind: int, setting: str, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        made.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        keep_alive(made)
        made.setsockopt(zmq.RCVHWM, QUESTIONS_WAITING_PER_SCREEN)
        made.setsockopt(
            zmq.SNDHWM,
            REPLIES_WAITING_PER_SCREEN if kind == zmq.ROUTER else STATUS_WAITING_PER_SCREEN,
        )
        self._guarded = self._gate.guard(made, "screens", setting, address)
        try:
            made.bind(address)
        except zmq.ZMQError as error:
            if error.errno == errno.EADDRINUSE:
                raise PitwatchError(
                    f"{setting}: {address} is in use; stop the other engine, or set another port"
                ) from None
            raise SettingError(
                setting,
                got=address,
                expected="an address such as tcp://127.0.0.1:5611",
                todo=f"correct the setting ({error})",
            ) from None
        return made

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        for accepted in self._accepted:
            poller.register(accepted.events, zmq.POLLIN)
        try:
            while not self._stop.is_set():
                try:
                    self._turn(poller)
                except BaseException as error:  # SystemExit too would end a thread in silence
                    self._on_failure(error)
                    self._stop.wait(PAUSE_S)
            self._publish()
        finally:
            self._gate.leave(self._context)
            # what was just handed to PUB needs a moment to leave
            self._pub.close(linger=200)
            self._context.destroy(linger=0)

    def _turn(self, poller: zmq.Poller) -> None:
        """Waits for what is to be done, and does it."""
        ready = dict(poller.poll(max(0, math.ceil((self._beat - time.monotonic()) * 1000))))
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        for accepted in self._accepted:
            self._changes += accepted.look()
        if time.monotonic() >= self._beat:
            self._beat = time.monotonic() + HEARTBEAT_S
            self._store.heartbeat()
        self._publish()
        while self._ready:
            self._send(*self._ready.popleft())
        if self._router in ready:
            self._answer()

    def _publish(self) -> None:
        while self._store.outbox:
            self._pub.send(self._store.outbox.popleft())

    def _answer(self) -> None:
        """Answers what waits, a few at a time so that status messages keep their turn."""
        for _ in range(16):
            try:
                parts = self._router.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            client, *frames = (part.bytes for part in parts)
            envelope = [client]
            if len(frames) > 1 and not frames[0]:  # the client is a REQ
                envelope.append(frames.pop(0))
            # without keys only this machine can ask, and whoever works at it
            role: Role = self._gate.role(parts[-1]) if self._guarded else "operator"
            try:
                request = decode_request(frames)
                slow = self._answers.is_slow(request)
            except BadMessage as error:
                self._send(envelope, error_reply(str(error), _tag(frames)))
                continue
            if not slow:
                self._send(envelope, self._answers.reply(request, role))
                continue
            try:
                self._slow.put_nowait((envelope, request, role))
            except queue.Full:
                why = f"{MAX_SLOW_WAITING} requests wait for the disk already; ask again"
                self._send(envelope, error_reply(why, request.tag))

    def _send(self, envelope: Envelope, reply: list[Frame]) -> None:
        # a screen that has gone or is frozen asks again when it lives
        with contextlib.suppress(zmq.ZMQError):
            self._router.send_multipart([*envelope, *reply], zmq.DONTWAIT, copy=False)

    def _answer_slowly(self) -> None:
        """What needs the disk, in a thread of its own: heartbeats and small answers don't wait."""
        while (asked := self._slow.get()) is not None:
            envelope, request, role = asked
            try:
                reply = self._answers.reply(request, role)
            except BaseException as error:
                self._on_failure(error)
                reply = error_reply("an error of pitwatch itself: see its alarms", request.tag)
            self._ready.append((envelope, reply))
            self._nudge()


def _tag(frames: list[bytes]) -> str:
    """The tag of a request that could not be read, where it can be told."""
    try:
        return str(json.loads(frames[0])["tag"])[:MAX_NAME]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
