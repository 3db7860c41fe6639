"""Sends results: status messages by PUB, replies by ROUTER, both from one thread."""

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
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import zmq

from monitor.engine.access import Gate
from monitor.engine.failures import Failures
from monitor.engine.serving.clients import FEW_BYTES, REFUSED_S, Asked, Client, Clients
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.replies import Answers, Section, error_reply
from monitor.engine.serving.scan_history import StoredMap
from monitor.engine.serving.state import Store
from monitor.errors import BadMessage, PitwatchError, SettingError
from monitor.records import ChannelValue, ConnectionChange, CyclerPoint, Order, Output
from monitor.settings import Settings
from monitor.sockets.accepted import HANDSHAKE_MS, Accepted, ConnectionGuard, most_clients
from monitor.sockets.connection import keep_alive
from monitor.wire.fields import MAX_NAME, Frame
from monitor.wire.results.queries import MAX_REQUEST_BYTES, decode_request
from monitor.wire.results.state import Kernels, Mode, Role

__all__ = ["Publisher", "Section"]

HEARTBEAT_S = 1.0
REPLIES_WAITING_PER_SCREEN = 32
STATUS_WAITING_PER_SCREEN = 1000
QUESTIONS_IN_SOCKET = 16
READ_AT_ONCE = 64
WORK_S, MOST_REST_S, RETRY_S = 0.01, 0.1, 0.02
"""Length of a turn, of the longest pause after it, and of a pause before a retry, s. While more
waits, the thread pauses for as long as it has worked, so that it holds the interpreter's lock for
at most half of the time."""
PAUSE_S = 0.2
"""Pause after an internal error, s, before serving continues."""
MAX_MESSAGE_BYTES = 2**17
"""A screen that sends a longer message (bytes) is disconnected before memory is allocated for
it."""
MOST_PARTS = 8
"""A client that sends a message with more frames is disconnected."""
UNFINISHED_BYTES, UNFINISHED_IN_ALL = 2**18, 2**22
"""On the way from a client, or from all, and no whole message yet. A part of 2 bytes takes 64 in
libzmq, which bounds the bytes of a part, but neither their number nor their sum."""
RECEIVE_BUFFER = 2**15


class Publisher:
    """Keeps the newest results and serves any number of screens; none of them can slow the writer.

    One thread, the compute thread, calls `update`. `section`, `stored_map` and `on_operator` are
    called in the serving thread. Raises PitwatchError if an address cannot be bound.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        section: Section | None,
        on_operator: Callable[[Order], None],
        stored_map: StoredMap | None,
        mode: Mode = "live",
        gate: Gate | None = None,
        on_failure: Callable[[BaseException], object] | None = None,
        kernels: Callable[[], Kernels] | None = None,
    ) -> None:
        """`gate`: who may connect; by default as the settings say. `on_failure`: called with each
        internal error in the serving threads, which continue. `kernels`: how many are compiled.
        """
        failures = Failures()
        self._on_failure = on_failure or (lambda error: failures.add("serving", error))
        self._beat = time.monotonic()
        self._gate = gate or Gate(settings.security)
        self._store = Store(settings, stored_map, mode, lambda: self._gate.status, kernels)
        self._answers = Answers(settings, self._store, section, self._gate, on_operator)
        self._clients = Clients(time.monotonic)
        self._slow: queue.Queue[tuple[Client, Asked] | None] = queue.Queue()
        self._ready: deque[_Ready] = deque()
        self._slow_under_way = False
        self._at_rest = zmq.Poller()
        self._rest_until = 0.0
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
        bounds = most, UNFINISHED_BYTES, UNFINISHED_IN_ALL
        self._accepted = Accepted(self._router, "results.pull", *bounds)
        self._guard = ConnectionGuard(
            [Accepted(self._pub, "results.status", *bounds), self._accepted], self._on_failure
        )
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
        outputs: Iterable[Output],
        engine: EngineState,
        points: Iterable[CyclerPoint] = (),
        channels: Iterable[ChannelValue] = (),
    ) -> None:
        """Takes the outputs of one message, the state of the engine after it, and the new readings
        of cyclers and values of channels."""
        self._store.update(outputs, engine, points, channels)
        if self._store.outbox:
            self._nudge()

    def changes(self) -> list[ConnectionChange]:
        """Changes of the clients' connections since this was last called."""
        return self._guard.changes()

    def close(self) -> None:
        """Sends what waits, stops serving and frees the addresses."""
        self._stop.set()
        self._nudge()
        self._thread.join(timeout=10)
        self._slow.put(None)
        self._slow_thread.join(timeout=10)
        self._wake.close()
        self._woken.close()

    def _nudge(self) -> None:
        # where the last nudges are still unread the thread wakes anyway; if it has ended, let it
        with contextlib.suppress(OSError):
            self._wake.send(b"1")

    def _bind(self, kind: int, setting: str, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        made.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        keep_alive(made)
        made.setsockopt(zmq.RCVHWM, QUESTIONS_IN_SOCKET)
        made.setsockopt(zmq.RCVBUF, RECEIVE_BUFFER)
        made.copy_threshold = FEW_BYTES  # what is larger is followed until it has left
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

    # --- the serving thread -----------------------------------------------------------------------

    def _serve(self) -> None:
        everything = zmq.Poller()
        everything.register(self._router, zmq.POLLIN)
        for poller in (everything, self._at_rest):
            poller.register(self._woken, zmq.POLLIN)
        try:
            while not self._stop.is_set():
                try:
                    is_resting = time.monotonic() < self._rest_until
                    self._turn(self._at_rest if is_resting else everything)
                except BaseException as error:  # SystemExit too would end a thread in silence
                    self._on_failure(error)
                    self._stop.wait(PAUSE_S)
            self._publish()
        finally:
            self._guard.close()
            self._gate.leave(self._context)
            # what was just handed to PUB needs a moment to leave
            self._pub.close(linger=200)
            self._context.destroy(linger=0)

    def _turn(self, poller: zmq.Poller) -> None:
        """Waits for what is to be done, and does it: status messages first."""
        ready = dict(poller.poll(self._wait_ms()))
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        begin = time.monotonic()
        if begin >= self._beat:
            self._beat = begin + HEARTBEAT_S
            self._store.heartbeat()
            self._clients.forget()
        self._publish()
        self._clients.look()
        self._send_ready()
        if poller is self._at_rest:
            return
        begin = time.monotonic()
        is_more = self._router in ready and self._take_in()
        is_more = self._answer(time.monotonic() + WORK_S) or is_more
        self._hand_on()
        if is_more:
            now = time.monotonic()
            self._rest_until = now + min(MOST_REST_S, now - begin)

    def _wait_ms(self) -> int:
        """Until the next heartbeat, the end of a rest, or what may have changed meanwhile."""
        now = time.monotonic()
        until = self._beat
        if now < self._rest_until:
            until = min(until, self._rest_until)
        elif self._ready or self._clients.is_waiting:  # for room, a budget, or the other thread
            until = min(until, now + RETRY_S)
        return max(0, math.ceil((until - now) * 1000))

    def _publish(self) -> None:
        while self._store.outbox:
            self._pub.send(self._store.outbox.popleft())

    def _take_in(self) -> bool:
        """Reads requests, each client's in its turn (as ROUTER does); True if there may be more."""
        for _ in range(READ_AT_ONCE):
            try:
                parts = self._received()
            except zmq.Again:
                return False
            name, role, owner = parts[0].bytes, *self._who(parts[-1])
            client = self._clients.of(name, owner or name, self._accepted.delivered(parts[-1]))
            if len(parts) > MOST_PARTS:
                self._accepted.hang_up_on(client.descriptor, "oversize")
                continue
            frames = [part.bytes for part in parts[1:]]
            envelope = [name]
            if len(frames) > 1 and not frames[0]:  # the client is a REQ
                envelope.append(frames.pop(0))
            asked = Asked(envelope, role, frames)
            if asked.size > MAX_REQUEST_BYTES:
                why = f"request of {asked.size} bytes, expected {MAX_REQUEST_BYTES} at most"
                self._send(client, asked, error_reply(why))
            elif not client.ask(asked):
                self._clients.charge(client, REFUSED_S)
                self._send(
                    client, asked, error_reply("too many of your requests are waiting: try again")
                )
        return True

    def _received(self) -> list[zmq.Frame]:
        """The parts of a message, but no more than MOST_PARTS and one. Raises zmq.Again."""
        part = self._router.recv(zmq.DONTWAIT, copy=False)
        parts = [part]
        while part.more:
            part = self._router.recv(zmq.DONTWAIT, copy=False)
            if len(parts) <= MOST_PARTS:
                parts.append(part)
        return parts

    def _who(self, part: zmq.Frame) -> tuple[Role, bytes]:
        """What the sender may do, and whose budget it uses: b"" for that of its connection."""
        if not self._guarded:  # only this machine can ask, and whoever works at it
            return "operator", b""
        return self._gate.role(part), self._gate.key(part)

    def _answer(self, until: float) -> bool:
        """Answers what costs little, for some time; True if more waits."""
        while (found := self._clients.next_quick()) is not None:
            begin = time.monotonic()
            if begin > until:
                self._clients.put_back(*found)
                return True
            client, asked = found
            try:
                asked.request = decode_request(asked.frames)
                if self._answers.is_slow(asked.request):
                    self._clients.put_slow(client, asked)
                else:
                    self._send(client, asked, self._answers.reply(asked.request, asked.role))
            except BadMessage as error:
                self._send(client, asked, error_reply(str(error), _tag(asked.frames)))
            self._clients.charge(client, time.monotonic() - begin)
        return False

    def _hand_on(self) -> None:
        """The next of what takes long goes to the other thread, once that has nothing to do."""
        if self._slow_under_way or self._ready:
            return
        found = self._clients.next_slow()
        if found is not None:
            self._slow_under_way = True
            self._slow.put(found)

    def _send_ready(self) -> None:
        """What took long, once there is room for it: who reads nothing makes room."""
        while self._ready:
            ready = self._ready[0]
            if not self._clients.has_room(_size(ready.reply)):
                if (idle := self._clients.stalled()) is not None:
                    self._accepted.hang_up_on(idle.descriptor, "unread")
                    idle.moved = time.monotonic()
                return
            self._ready.popleft()
            self._slow_under_way = False
            self._clients.charge(ready.client, ready.seconds)
            self._send(ready.client, ready.asked, ready.reply)
        self._hand_on()

    def _send(self, client: Client, asked: Asked, reply: list[Frame]) -> None:
        # a screen that has gone or is frozen asks again when it lives
        with contextlib.suppress(zmq.ZMQError):
            parts = [*asked.envelope, *reply]
            tracker = self._router.send_multipart(parts, zmq.DONTWAIT, copy=False, track=True)
            if tracker is not None:
                self._clients.sent(client, _size(reply), tracker)

    def _answer_slowly(self) -> None:
        """What needs the disk, in a thread of its own: heartbeats and small answers don't wait."""
        while (found := self._slow.get()) is not None:
            client, asked = found
            request = asked.request
            if request is None:
                continue  # what cannot be read is refused at once
            begin = time.monotonic()
            try:
                reply = self._answers.reply(request, asked.role)
            except BaseException as error:
                self._on_failure(error)
                why = "internal error: see the alarms of the engine"
                reply = error_reply(why, request.tag)
            self._ready.append(_Ready(client, asked, reply, time.monotonic() - begin))
            del reply
            self._nudge()


@dataclass(frozen=True, slots=True)
class _Ready:
    """A reply that took so many seconds to make."""

    client: Client
    asked: Asked
    reply: list[Frame]
    seconds: float


def _size(reply: list[Frame]) -> int:
    return sum(map(len, reply))


def _tag(frames: list[bytes]) -> str:
    """The tag of a request that could not be read, if it can be reported."""
    try:
        return str(json.loads(frames[0])["tag"])[:MAX_NAME]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
