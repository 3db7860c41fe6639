"""The only sockets of the screen, in a separate thread.

The thread requests the state five times a second, and the data that the views need; `snapshot`
returns the newest of all these. Nothing is pushed into the screen, so a slow screen only skips
updates.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import zmq

from monitor import memory
from monitor.errors import BadMessage
from monitor.gui.state.snapshot import Order, Query, Snapshot
from monitor.gui.state.snapshot_store import STATE_PATIENCE_S, SnapshotStore
from monitor.sockets.connection import Connection, keep_alive
from monitor.sockets.keys import ClientKeys
from monitor.wire.results import queries
from monitor.wire.results import replies as results
from monitor.wire.results.headers import ReplyHeader
from monitor.wire.results.queries import StateRequest
from monitor.wire.results.state import State

POLL_S = 0.4
ANSWER_PATIENCE_S = 20.0
ORDER_PATIENCE_S = 10.0
LEAST_INTERVAL_S = {"cycler": 1.0, "channel": 1.0}
AGAIN_S = 0.5
"""Shortest time (s) before the same request is repeated, however fast scans change; a different
request is sent at once."""
URGENT = (
    "maps",
    "scan_started",
    "scan_verdict",
    "scan_complete",
    "pit_onset",
    "scan_request",
    "alarm",
)
MAX_ORDERS = 20
UNANSWERED = (
    "the engine did not answer; check in the events whether the order was carried out, before you "
    "repeat it"
)
MALFORMED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""Exceptions that a state raises if it does not follow the contract."""
GIVE_BACK_S = 10.0
"""Interval (s) at which freed memory of views and replies is returned to the system."""


@dataclass(slots=True)
class _Flight:
    """A request on its way."""

    query: Query
    tag: str
    sent: float


class Client:
    """Communicates with one engine at a time. All public methods are for the screen's thread.

    `keys` are those of the engine at `connect`; they are not used for any other engine.
    """

    def __init__(self, connect: str, status: str | None, keys: ClientKeys | None = None) -> None:
        self._keys = {address: keys for address in (connect, status) if address and keys}
        self._lock = threading.Lock()
        self._queries: dict[str, Query] = {}
        self._new_orders: deque[queries.Order] = deque()
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._begin(connect, status)

    def _begin(self, connect: str, status: str | None) -> None:
        self._connect, self._status = connect, status
        self._store = SnapshotStore(connect)
        self._flights: dict[str, _Flight] = {}
        self._done: dict[str, tuple[Query, float]] = {}
        self._unsendable_since: float | None = None
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="screen client", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Address to which requests are sent."""
        return self._connect

    @property
    def status_address(self) -> str | None:
        """Address from which status messages are received, if it is known."""
        return self._status

    def connect(self, address: str, status: str | None = None) -> None:
        """Connects to another engine; the data of the previous one are dropped."""
        self._halt()
        with self._lock:
            self._queries = {}
            self._new_orders.clear()
        self._begin(address, status)

    def query(self, queries: Mapping[str, Query]) -> None:
        """Replaces the requests of the views; of each name only the newest is sent."""
        with self._lock:
            if queries == self._queries:
                return
            self._queries = dict(queries)
            self._store.keep(self._queries)
        self._nudge()

    def is_answered(self) -> bool:
        """Whether all requests of the views have been answered."""
        with self._lock:
            wanted = self._queries
        answers = self._store.snapshot().answers
        return all(n in answers and answers[n].request == q.request for n, q in wanted.items())

    def order(self, request: queries.Order) -> None:
        """Sends an order to the engine, once; its state appears in the snapshot's `orders`."""
        with self._lock:
            has_room = len(self._new_orders) < MAX_ORDERS
            if has_room:
                self._new_orders.append(request)
        if not has_room:
            self._order(request, "lost", "too many orders are waiting; try again", self._number())
        self._nudge()

    def snapshot(self) -> Snapshot:
        """The newest of everything."""
        return self._store.snapshot()

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
        sub: zmq.Socket[bytes] = self._context.socket(zmq.SUB)
        sub.setsockopt(zmq.RCVHWM, 1000)
        news = self._subscribed(sub, self._status) if self._status else None
        dealer, give_back = self._open(), time.monotonic() + GIVE_BACK_S
        try:
            while not self._stop.is_set():
                if news is not None:
                    news.look()
                if self._state_overdue():
                    # an engine that went away took our questions with it: ask afresh
                    dealer.close(linger=0)
                    self._lose_flights()
                    dealer = self._open()
                self._send_due(dealer)
                self._wait(dealer, sub)
                if time.monotonic() >= give_back:
                    memory.give_back()
                    give_back = time.monotonic() + GIVE_BACK_S
        finally:
            dealer.close(linger=0)
            if news is not None:
                news.close()
            sub.close(linger=0)

    def _subscribed(self, sub: zmq.Socket[bytes], address: str) -> Connection:
        """The socket of the status messages, which is looked after. That of questions is opened
        again whenever no answer arrives."""
        sub.subscribe(b"")
        if address in self._keys:
            self._keys[address].guard(sub)
        return Connection(sub, "results.status", address)

    def _open(self) -> zmq.Socket[bytes]:
        self._unsendable_since = None
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 200)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        keep_alive(dealer)
        if self._connect in self._keys:
            self._keys[self._connect].guard(dealer)
        dealer.connect(self._connect)
        return dealer

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
        """No state arrives, or the question cannot even be sent: libzmq gives a connection up when
        another kind of socket answers at the address."""
        flight = self._flights.get("state")
        since = self._unsendable_since if flight is None else flight.sent
        return since is not None and time.monotonic() - since > STATE_PATIENCE_S

    def _send_due(self, dealer: zmq.Socket[bytes]) -> None:
        now = time.monotonic()
        with self._lock:
            queries = dict(self._queries)
            orders = list(self._new_orders)
            self._new_orders.clear()
        state = self._store.state
        if "state" not in self._flights and now - self._done_at("state") >= POLL_S:
            since, engine = (state["version"], state["engine"]) if state else (-1, "")
            sent = self._send(dealer, "state", Query(StateRequest(since, engine, changes=True)))
            self._unsendable_since = None if sent else self._unsendable_since or now
        for order in orders:
            number = self._number()
            self._order(order, "asking", "", number)
            if not self._send(dealer, f"order {number}", Query(order)):
                self._order(order, "lost", "it could not be sent; try again", number)
        for name, query in queries.items():
            done = self._done.get(name)
            if name in self._flights or (done and done[0] == query and self._store.has(name)):
                continue
            is_same = done is not None and done[0].request == query.request
            pause = LEAST_INTERVAL_S.get(name.split(" ")[0], AGAIN_S if is_same else 0.0)
            if now - self._done_at(name) >= pause:
                self._send(dealer, name, query)
        self._forget_lost(now)

    def _done_at(self, name: str) -> float:
        return self._done[name][1] if name in self._done else float("-inf")

    def _send(self, dealer: zmq.Socket[bytes], name: str, query: Query) -> bool:
        """False if there is no room for it now."""
        tag = f"{name}#{self._number()}"
        request = dataclasses.replace(query.request, tag=tag)
        try:
            dealer.send_multipart(queries.encode_request(request), zmq.DONTWAIT)
        except zmq.Again:
            return False
        self._flights[name] = _Flight(query, tag, time.monotonic())
        return True

    def _number(self) -> int:
        """Of an order, or of a question that is sent."""
        return next(self._numbers)

    def _order(self, order: queries.Order, status: str, why: str, number: int) -> None:
        """What is known of an order now."""
        self._store.order(Order(order.cell, status, why, number, order))

    def _lose_flights(self) -> None:
        """No answer arrives any more. An order is not sent again: it may have been carried out."""
        flights, self._flights = self._flights, {}
        for name, flight in flights.items():
            if isinstance(flight.query.request, queries.Order):
                self._order(flight.query.request, "lost", UNANSWERED, _order_number(name))

    def _forget_lost(self, now: float) -> None:
        for name, flight in list(self._flights.items()):
            request = flight.query.request
            is_order = isinstance(request, queries.Order)
            patience = ORDER_PATIENCE_S if is_order else ANSWER_PATIENCE_S
            if name == "state" or now - flight.sent <= patience:
                continue
            del self._flights[name]
            if isinstance(request, queries.Order):
                self._order(request, "lost", UNANSWERED, _order_number(name))

    def _take(self, frames: list[bytes]) -> None:
        """One reply of the engine."""
        try:
            header, array = results.decode_reply(frames)
        except BadMessage:
            self._store.bad_reply()
            return
        name = str(header.get("tag", "")).rpartition("#")[0]
        flight = self._flights.get(name)
        if flight is None or flight.tag != header["tag"]:
            return
        del self._flights[name]
        self._done[name] = (flight.query, time.monotonic())
        request = flight.query.request
        if name == "state":
            self._take_state(header)
        elif isinstance(request, queries.Order):
            status, why = str(header.get("status", "refused")), str(header.get("why", ""))
            self._order(request, status, why, _order_number(name))
        else:
            self._store.answer(name, flight.query, header, array)

    def _take_state(self, header: ReplyHeader) -> None:
        """The engine's state; one that is malformed costs itself."""
        if header.get("type") != "state":
            return
        try:
            is_other = self._store.take_state(cast(State, header))
        except MALFORMED:
            self._store.bad_reply()
            return
        if is_other:
            self._ask_afresh()

    def _ask_afresh(self) -> None:
        """Another engine: it knows nothing of what was asked. Orders are waited for, to report what
        became of them."""
        self._done = {k: v for k, v in self._done.items() if k == "state"}
        self._flights = {
            k: v for k, v in self._flights.items() if isinstance(v.query.request, queries.Order)
        }

    def _hear(self, frame: bytes) -> None:
        """One status message: it only makes the next question come sooner."""
        try:
            status = results.decode_status(frame)
        except BadMessage:
            return
        if status.kind in URGENT and not status.data.get("provisional") and "state" in self._done:
            self._done["state"] = (self._done["state"][0], float("-inf"))


def _order_number(name: str) -> int:
    """The number in the name of an order's flight."""
    return int(name.split(" ")[1])
