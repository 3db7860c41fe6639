"""The only sockets of the screen, in a thread of their own.

The thread asks for the state five times a second and for what the views want; `snapshot` hands out
the newest of all that. Nothing is pushed into the screen, so a slow screen only skips.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import zmq

from monitor import memory
from monitor.errors import BadMessage
from monitor.gui.inbox import STATE_PATIENCE_S, Inbox
from monitor.gui.model import Order, Snapshot, Want
from monitor.keys import ClientKeys
from monitor.wire import questions, results
from monitor.wire.questions import StateRequest

POLL_S = 0.4
ANSWER_PATIENCE_S = 20.0
ORDER_PATIENCE_S = 10.0
LEAST_INTERVAL_S = {"cycler": 1.0}
AGAIN_S = 0.5
"""The same question is not asked again sooner, however fast scans change; another one is."""
URGENT = ("maps", "scan_started", "scan_complete", "pit_onset", "scan_request", "alarm")
MAX_ORDERS = 20
GIVE_BACK_S = 10.0
"""How often freed memory, of views and replies, goes back to the system."""


@dataclass(slots=True)
class _Flight:
    """A request on its way."""

    want: Want
    tag: str
    sent: float


class Client:
    """Talks to one engine at a time. All public methods are for the screen's thread.

    `keys` are those for the engine at `connect`; where another is shown, they are not used.
    """

    def __init__(self, connect: str, status: str | None, keys: ClientKeys | None = None) -> None:
        self._keys = {address: keys for address in (connect, status) if address and keys}
        self._lock = threading.Lock()
        self._wants: dict[str, Want] = {}
        self._new_orders: deque[questions.Order] = deque(maxlen=MAX_ORDERS)
        self._stop = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._serial = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._begin(connect, status)

    def _begin(self, connect: str, status: str | None) -> None:
        self._connect, self._status = connect, status
        self._inbox = Inbox(connect)
        self._flights: dict[str, _Flight] = {}
        self._done: dict[str, tuple[Want, float]] = {}
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="screen client", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the engine is asked."""
        return self._connect

    @property
    def status_address(self) -> str | None:
        """Where the engine's status messages are heard, where that is known."""
        return self._status

    def connect(self, address: str, status: str | None = None) -> None:
        """Talks to another engine from now on; what was shown of the one before is forgotten."""
        self._halt()
        with self._lock:
            self._wants = {}
            self._new_orders.clear()
        self._begin(address, status)

    def want(self, wants: Mapping[str, Want]) -> None:
        """Replaces what the views want; of each name only the newest is asked for."""
        with self._lock:
            if wants == self._wants:
                return
            self._wants = dict(wants)
            self._inbox.keep(self._wants)
        self._nudge()

    def order(self, request: questions.Order) -> None:
        """Hands the engine an order, once; what becomes of it appears in the snapshot's orders."""
        with self._lock:
            self._new_orders.append(request)
        self._nudge()

    def snapshot(self) -> Snapshot:
        """The newest of everything."""
        return self._inbox.snapshot()

    def close(self) -> None:
        """Stops the thread and closes its sockets."""
        self._halt()
        self._context.destroy(linger=0)
        self._wake.close()
        self._woken.close()

    def _halt(self) -> None:
        self._stop.set()
        self._nudge()
        self._thread.join(timeout=5)

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b"1")

    def _run(self) -> None:
        sub = self._context.socket(zmq.SUB)
        sub.setsockopt(zmq.RCVHWM, 1000)
        if self._status:
            sub.subscribe(b"")
            self._connect_socket(sub, self._status)
        dealer, give_back = self._open(), time.monotonic() + GIVE_BACK_S
        try:
            while not self._stop.is_set():
                if self._state_overdue():
                    # an engine that went away took our questions with it: ask afresh
                    dealer.close(linger=0)
                    self._flights.clear()
                    dealer = self._open()
                self._send_due(dealer)
                self._wait(dealer, sub)
                if time.monotonic() >= give_back:
                    memory.give_back()
                    give_back = time.monotonic() + GIVE_BACK_S
        finally:
            dealer.close(linger=0)
            sub.close(linger=0)

    def _open(self) -> zmq.Socket[bytes]:
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 200)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        self._connect_socket(dealer, self._connect)
        return dealer

    def _connect_socket(self, made: zmq.Socket[bytes], address: str) -> None:
        if address in self._keys:
            self._keys[address].guard(made)
        made.connect(address)

    def _wait(self, dealer: zmq.Socket[bytes], sub: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        for source in (dealer, sub, self._woken):
            poller.register(source, zmq.POLLIN)
        ready = dict(poller.poll(50))
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        for _ in range(32):
            try:
                frames = dealer.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            self._take(frames)
        for _ in range(1000):
            try:
                frame = sub.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            self._hear(frame)

    def _state_overdue(self) -> bool:
        flight = self._flights.get("state")
        return flight is not None and time.monotonic() - flight.sent > STATE_PATIENCE_S

    def _send_due(self, dealer: zmq.Socket[bytes]) -> None:
        now = time.monotonic()
        with self._lock:
            wants = dict(self._wants)
            orders = list(self._new_orders)
            self._new_orders.clear()
        state = self._inbox.state
        if "state" not in self._flights and now - self._done_at("state") >= POLL_S:
            since, engine = (state["version"], state["engine"]) if state else (-1, "")
            self._send(dealer, "state", Want(StateRequest(since, engine, changes=True)))
        for order in orders:
            self._serial += 1
            number = self._serial
            self._inbox.order(Order(order.cell, "asking", "", number, order))
            self._send(dealer, f"order {number}", Want(order))
        for name, want in wants.items():
            done = self._done.get(name)
            if name in self._flights or (done and done[0] == want and self._inbox.has(name)):
                continue
            is_same = done is not None and done[0].request == want.request
            pause = LEAST_INTERVAL_S.get(name, AGAIN_S if is_same else 0.0)
            if now - self._done_at(name) >= pause:
                self._send(dealer, name, want)
        self._forget_lost(now)

    def _done_at(self, name: str) -> float:
        return self._done[name][1] if name in self._done else float("-inf")

    def _send(self, dealer: zmq.Socket[bytes], name: str, want: Want) -> None:
        self._serial += 1
        tag = f"{name}#{self._serial}"
        request = dataclasses.replace(want.request, tag=tag)
        with contextlib.suppress(zmq.Again):
            dealer.send_multipart(questions.encode_request(request), zmq.DONTWAIT)
            self._flights[name] = _Flight(want, tag, time.monotonic())

    def _forget_lost(self, now: float) -> None:
        for name, flight in list(self._flights.items()):
            request = flight.want.request
            is_order = isinstance(request, questions.Order)
            patience = ORDER_PATIENCE_S if is_order else ANSWER_PATIENCE_S
            if name == "state" or now - flight.sent <= patience:
                continue
            del self._flights[name]
            if isinstance(request, questions.Order):
                why = "the engine did not answer; look whether it was done before asking again"
                self._inbox.order(
                    Order(request.cell, "lost", why, int(name.split(" ")[1]), request)
                )

    def _take(self, frames: list[bytes]) -> None:
        """One reply of the engine."""
        try:
            header, array = results.decode_reply(frames)
        except BadMessage:
            self._inbox.bad_reply()
            return
        name = str(header.get("tag", "")).rpartition("#")[0]
        flight = self._flights.get(name)
        if flight is None or flight.tag != header["tag"]:
            return
        del self._flights[name]
        self._done[name] = (flight.want, time.monotonic())
        request = flight.want.request
        if name == "state":
            if header.get("type") == "state" and self._inbox.take_state(header):
                self._ask_afresh()
        elif isinstance(request, questions.Order):
            status, why = header.get("status", "refused"), header.get("why", "")
            self._inbox.order(Order(request.cell, status, why, int(name.split(" ")[1]), request))
        else:
            self._inbox.answer(name, flight.want, header, array)

    def _ask_afresh(self) -> None:
        """Another engine: it knows nothing of what was asked. Orders are waited for, to tell what
        became of them."""
        self._done = {k: v for k, v in self._done.items() if k == "state"}
        self._flights = {
            k: v for k, v in self._flights.items() if isinstance(v.want.request, questions.Order)
        }

    def _hear(self, frame: bytes) -> None:
        """One status message: it only makes the next question come sooner."""
        try:
            status = results.decode_status(frame)
        except BadMessage:
            return
        if status.kind in URGENT and not status.data.get("provisional") and "state" in self._done:
            self._done["state"] = (self._done["state"][0], float("-inf"))
