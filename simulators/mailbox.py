"""The acquisition's mailbox: scan requests come in, wait their turn, and are answered.

The monitor sends a request again, with the same id, until it hears how it ended; either end may
have been restarted meanwhile. So an id is taken in once, and every repeat is answered with its
present status, to whoever sent it last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

import zmq

from monitor.errors import BadMessage
from monitor.records import ReplyStatus, ScanReply, ScanRequest
from monitor.sockets.keys import bind_here
from monitor.wire import requests as wire

ROOM = 16
MESSAGES_A_POLL = 100
ENDED_REMEMBERED = 1000


@dataclass(slots=True)
class _Open:
    """A request that has not ended, who wants to know of it, and what was said last."""

    request: ScanRequest
    sender: list[bytes]
    said: ScanReply
    waiting: bool = True


class Mailbox:
    """ROUTER socket that is polled, never waited for. At most ROOM requests wait in it."""

    def __init__(self, endpoint: str, cells: Collection[str]) -> None:
        """Binds. Raises SettingError if the address cannot be had."""
        self._cells = set(cells)
        self._closed = ""
        self._open: dict[str, _Open] = {}
        self._ended: OrderedDict[str, ScanReply] = OrderedDict()
        self.bad = 0
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 2 * wire.MAX_BYTES)
        bind_here(self._socket, endpoint, "simulator.requests")

    def poll(self) -> None:
        """Takes in what has arrived and answers it at once. Garbage is counted in `bad`."""
        for _ in range(MESSAGES_A_POLL):
            try:
                *sender, payload = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            try:
                request = wire.decode_request(payload)
            except BadMessage:
                self.bad += 1
                continue
            self._take_in(request, sender)

    @property
    def waiting(self) -> bool:
        return self.first is not None

    @property
    def first(self) -> ScanRequest | None:
        """The request that has waited longest; it continues waiting. None if none does."""
        return next((entry.request for entry in self._open.values() if entry.waiting), None)

    def next(self) -> ScanRequest | None:
        """The request that has waited longest, which then waits no more; None if none does."""
        request = self.first
        if request is not None:
            self._open[request.id].waiting = False
        return request

    def running(self, request: ScanRequest, scan: int) -> None:
        """Tells the sender that this scan, which has begun, is to answer its request."""
        self._open[request.id].waiting = False
        self._say(ScanReply(request.id, "running", scan=scan))

    def done(self, request: ScanRequest, scan: int) -> None:
        """Tells the sender that this scan answered its request."""
        self._say(ScanReply(request.id, "done", scan=scan))

    def failed(self, request: ScanRequest, why: str, scan: int | None = None) -> None:
        """Tells the sender that its request will not be answered by a whole scan, and why."""
        self._say(ScanReply(request.id, "failed", why, scan))

    def retire(self, cell: str, why: str) -> None:
        """No more scans of this cell: refuses the requests for it, waiting and to come."""
        self._cells.discard(cell)
        for entry in list(self._open.values()):
            if entry.request.cell == cell and entry.waiting:
                self._say(ScanReply(entry.request.id, "refused", why))

    def abandon(self, why: str) -> None:
        """No more scans at all: what runs has failed, what waits and what arrives is refused."""
        self._closed = why
        for entry in list(self._open.values()):
            status: ReplyStatus = "refused" if entry.waiting else "failed"
            self._say(ScanReply(entry.request.id, status, why, entry.said.scan))

    def close(self, linger_s: float = 0.0) -> None:
        """Closes, leaving the last replies `linger_s` to get away."""
        self._socket.close(int(1000 * linger_s))

    def _take_in(self, request: ScanRequest, sender: list[bytes]) -> None:
        """Answers a request by its id; what is new is accepted or refused."""
        known = self._open.get(request.id)
        if known is not None:
            known.sender = sender
            self._send(sender, known.said)
        elif request.id in self._ended:
            self._send(sender, self._ended[request.id])
        else:
            why = self._refusal(request)
            reply = ScanReply(request.id, "refused" if why else "accepted", why)
            self._open[request.id] = _Open(request, sender, reply)
            self._say(reply)

    def _refusal(self, request: ScanRequest) -> str:
        """Why this request is not taken in; "" if it is."""
        if self._closed:
            return self._closed
        if request.cell not in self._cells:
            known = ", ".join(sorted(self._cells)) or "none"
            return f"no scans of cell {request.cell!r} are being made now (cells: {known})"
        if sum(entry.waiting for entry in self._open.values()) >= ROOM:
            return f"{ROOM} requests are waiting already"
        return ""

    def _say(self, reply: ScanReply) -> None:
        """Answers, and remembers the answer: for as long as it is open, or among the last ended."""
        entry = self._open[reply.id]
        entry.said = reply
        if reply.status not in ("accepted", "running"):
            del self._open[reply.id]
            self._ended[reply.id] = reply
            while len(self._ended) > ENDED_REMEMBERED:
                self._ended.popitem(last=False)
        self._send(entry.sender, reply)

    def _send(self, sender: list[bytes], reply: ScanReply) -> None:
        """A sender that has left costs nothing: it will ask again."""
        try:
            self._socket.send_multipart([*sender, wire.encode_reply(reply)], zmq.DONTWAIT)
        except zmq.ZMQError:
            self.bad += 1
