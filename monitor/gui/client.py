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
from typing import Any

import zmq

from monitor.errors import BadMessage
from monitor.gui.model import Answer, Order, Snapshot, Want, colour_levels, outline
from monitor.wire import results
from monitor.wire.questions import MapRequest, ScanOrder, StateRequest, encode_request

POLL_S = 0.2
STATE_PATIENCE_S = 3.0
ANSWER_PATIENCE_S = 20.0
ORDER_PATIENCE_S = 10.0
LEAST_INTERVAL_S = {"cycler": 1.0, "section": 0.3}
URGENT = ("maps", "scan_started", "scan_complete", "pit_onset", "scan_request", "alarm")
MAX_EVENTS = 200
MAX_ORDERS = 20


@dataclass(slots=True)
class _Flight:
    """A request on its way."""

    want: Want
    tag: str
    sent: float


class Client:
    """Talks to one engine. All public methods are for the screen's thread."""

    def __init__(self, connect: str, status: str | None) -> None:
        self._connect, self._status = connect, status
        self._lock = threading.Lock()
        self._wants: dict[str, Want] = {}
        self._new_orders: deque[ScanOrder] = deque(maxlen=MAX_ORDERS)
        self._snapshot = Snapshot(address=connect)
        self._heard: float | None = None
        self._begun = time.monotonic()
        self._moved: dict[str, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._flights: dict[str, _Flight] = {}
        self._done: dict[str, tuple[Want, float]] = {}
        self._serial = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._thread = threading.Thread(target=self._run, name="screen client", daemon=True)
        self._thread.start()

    def want(self, wants: Mapping[str, Want]) -> None:
        """Replaces what the views want; of each name only the newest is asked for."""
        with self._lock:
            if wants == self._wants:
                return
            self._wants = dict(wants)
            kept = {name: a for name, a in self._snapshot.answers.items() if name in wants}
            if len(kept) < len(self._snapshot.answers):
                self._change(answers=kept)
        self._nudge()

    def order(self, cell: str, suggestion: str = "", accepted: bool = True) -> None:
        """Asks for an extra scan of a cell, or answers a suggestion (its id), once; what becomes of
        it appears in the snapshot's orders."""
        with self._lock:
            self._new_orders.append(ScanOrder(cell, "manual", suggestion, accepted))
        self._nudge()

    def snapshot(self) -> Snapshot:
        """The newest of everything."""
        now = time.monotonic()
        with self._lock:
            heard = self._heard if self._heard is not None else self._begun
            linked = self._heard is not None and now - heard < STATE_PATIENCE_S
            ages = {name: now - moved for name, (_, moved) in self._moved.items()}
            return dataclasses.replace(
                self._snapshot, linked=linked, silent_s=now - heard, feed_ages_s=ages
            )

    def close(self) -> None:
        """Stops the thread and closes its sockets."""
        self._stop.set()
        self._nudge()
        self._thread.join(timeout=5)
        self._wake.close()
        self._woken.close()

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b"1")

    def _run(self) -> None:
        sub = self._context.socket(zmq.SUB)
        sub.setsockopt(zmq.RCVHWM, 1000)
        if self._status:
            sub.subscribe(b"")
            sub.connect(self._status)
        dealer = self._open()
        try:
            while not self._stop.is_set():
                if self._state_overdue():
                    # an engine that went away took our questions with it: ask afresh
                    dealer.close(linger=0)
                    self._flights.clear()
                    dealer = self._open()
                self._send_due(dealer)
                self._wait(dealer, sub)
        finally:
            self._context.destroy(linger=0)

    def _open(self) -> zmq.Socket[bytes]:
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 200)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
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
        flight = self._flights.get("state")
        return flight is not None and time.monotonic() - flight.sent > STATE_PATIENCE_S

    def _send_due(self, dealer: zmq.Socket[bytes]) -> None:
        now = time.monotonic()
        with self._lock:
            wants = dict(self._wants)
            answered = self._snapshot.answers
            orders = list(self._new_orders)
            self._new_orders.clear()
            state = self._snapshot.state
        if "state" not in self._flights and now - self._done_at("state") >= POLL_S:
            since, engine = (state["version"], state["engine"]) if state else (-1, "")
            self._send(dealer, "state", Want(StateRequest(since, engine)))
        for order in orders:
            self._serial += 1
            name = f"order {self._serial}"
            self._send(dealer, name, Want(order))
            self._change_order(Order(order.cell, "asking", "", self._serial))
        for name, want in wants.items():
            done = self._done.get(name)
            if name in self._flights or (done and done[0] == want and name in answered):
                continue
            if now - self._done_at(name) >= LEAST_INTERVAL_S.get(name, 0.0):
                self._send(dealer, name, want)
        self._forget_lost(now)

    def _done_at(self, name: str) -> float:
        return self._done[name][1] if name in self._done else float("-inf")

    def _send(self, dealer: zmq.Socket[bytes], name: str, want: Want) -> None:
        self._serial += 1
        tag = f"{name}#{self._serial}"
        request = dataclasses.replace(want.request, tag=tag)
        with contextlib.suppress(zmq.Again):
            dealer.send_multipart(encode_request(request), zmq.DONTWAIT)
            self._flights[name] = _Flight(want, tag, time.monotonic())

    def _forget_lost(self, now: float) -> None:
        for name, flight in list(self._flights.items()):
            is_order = isinstance(flight.want.request, ScanOrder)
            patience = ORDER_PATIENCE_S if is_order else ANSWER_PATIENCE_S
            if name != "state" and now - flight.sent > patience:
                del self._flights[name]
                if isinstance(flight.want.request, ScanOrder):
                    why = (
                        "the engine did not answer; look whether the scan comes before asking again"
                    )
                    number = int(name.split(" ")[1])
                    self._change_order(Order(flight.want.request.cell, "lost", why, number))

    def _take(self, frames: list[bytes]) -> None:
        """One reply of the engine."""
        try:
            header, array = results.decode_reply(frames)
        except BadMessage:
            with self._lock:
                self._change(bad_replies=self._snapshot.bad_replies + 1)
            return
        name = str(header.get("tag", "")).rpartition("#")[0]
        flight = self._flights.get(name)
        if flight is None or flight.tag != header["tag"]:
            return
        del self._flights[name]
        self._done[name] = (flight.want, time.monotonic())
        request = flight.want.request
        if name == "state":
            self._take_state(header)
        elif isinstance(request, ScanOrder):
            status, why = header.get("status", "refused"), header.get("why", "")
            self._change_order(Order(request.cell, status, why, int(name.split(" ")[1])))
        else:
            levels = None
            if array is not None and isinstance(request, MapRequest):
                if request.name == "pit_labels":
                    header["labels"], array = array, outline(array)
                else:
                    levels = colour_levels(array)
            elif array is not None:
                # a slice that has not come is 0
                levels = colour_levels(array[array != 0])
            answer = Answer(request, header, array, levels)
            with self._lock:
                if name in self._wants:
                    self._change(answers={**self._snapshot.answers, name: answer})

    def _take_state(self, header: dict[str, Any]) -> None:
        now = time.monotonic()
        if header.get("type") != "state":
            return
        with self._lock:
            old = self._snapshot.state
            self._heard = now
            self._note_feeds(header, now)
            if header.get("unchanged") and old:
                cells = {n: {**old["cells"][n], **moving} for n, moving in header["cells"].items()}
                self._change(state={**old, **header, "cells": cells})
                return
            events = self._snapshot.events
            if old is None or old["engine"] != header["engine"]:
                # another engine: nothing fetched from the one before may be shown as its own
                self._done = {k: v for k, v in self._done.items() if k == "state"}
                # nor will it answer any more; orders are waited for, to tell what became of them
                self._flights = {
                    k: v for k, v in self._flights.items() if isinstance(v.want.request, ScanOrder)
                }
                self._moved.clear()
                self._note_feeds(header, now)
                events = ()
                self._change(answers={})
            events = (*events, *header.get("events", ()))[-MAX_EVENTS:]
            self._change(state=header, events=events)

    def _note_feeds(self, header: Mapping[str, Any], now: float) -> None:
        """When each feed last brought a message, by this machine's clock."""
        for name, feed in header.get("feeds", {}).items():
            count = int(feed.get("messages") or 0)
            known = self._moved.get(name)
            if known is None:
                last = feed.get("last_time")
                age = header["time"] - last if last and count else 0.0
                self._moved[name] = (count, now - max(0.0, age))
            elif known[0] != count:
                self._moved[name] = (count, now)

    def _hear(self, frame: bytes) -> None:
        """One status message: it only makes the next question come sooner."""
        try:
            status = results.decode_status(frame)
        except BadMessage:
            return
        if status.kind in URGENT and not status.data.get("provisional") and "state" in self._done:
            self._done["state"] = (self._done["state"][0], float("-inf"))

    def _change_order(self, order: Order) -> None:
        with self._lock:
            others = tuple(o for o in self._snapshot.orders if o.number != order.number)
            self._change(orders=(*others, order)[-MAX_ORDERS:])

    def _change(self, **fields: Any) -> None:
        number = self._snapshot.number + 1
        self._snapshot = dataclasses.replace(self._snapshot, number=number, **fields)
