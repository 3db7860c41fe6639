"""The acquisition's mailbox: scan requests come in, wait their turn, and are answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import zmq

from monitor.errors import BadMessage, SettingError
from monitor.records import ScanReply, ScanRequest
from monitor.wire import requests as wire

ROOM = 16
MESSAGES_A_POLL = 100


class Mailbox:
    """ROUTER socket that is polled, never waited for. At most ROOM requests wait in it."""

    def __init__(self, endpoint: str, cells: Collection[str]) -> None:
        """Binds. Raises SettingError where the address cannot be had."""
        self._cells = set(cells)
        self._waiting: deque[ScanRequest] = deque()
        self._senders: dict[str, list[bytes]] = {}
        self.bad = 0
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._socket.close(0)
            raise SettingError(
                "simulator.requests",
                got=endpoint,
                expected="a free address such as tcp://127.0.0.1:5603",
                todo=f"free it or choose another port ({error.strerror})",
            ) from None

    def poll(self) -> None:
        """Takes in what has come; accepts or refuses it at once. Garbage is counted in `bad`."""
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

    def next(self) -> ScanRequest | None:
        """The request that has waited longest, removed from the box; None where it is empty."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def done(self, request: ScanRequest, scan: int) -> None:
        """Tells the sender that this scan answered its request."""
        self._reply(ScanReply(request.id, "done", scan=scan))

    def retire(self, cell: str, why: str) -> None:
        """No more scans of this cell: refuses the requests for it, waiting and to come."""
        self._cells.discard(cell)
        kept = deque(request for request in self._waiting if request.cell != cell)
        for request in self._waiting:
            if request.cell == cell:
                self._reply(ScanReply(request.id, "refused", why))
        self._waiting = kept

    def close(self, linger_s: float = 0.0) -> None:
        self._socket.close(int(1000 * linger_s))

    def _take_in(self, request: ScanRequest, sender: list[bytes]) -> None:
        if request.id in self._senders:
            return
        self._senders[request.id] = sender
        if request.cell not in self._cells:
            known = ", ".join(sorted(self._cells)) or "none"
            why = f"no scans of cell {request.cell!r} are made now (cells: {known})"
            self._reply(ScanReply(request.id, "refused", why))
        elif len(self._waiting) >= ROOM:
            self._reply(ScanReply(request.id, "refused", f"{ROOM} requests are waiting already"))
        else:
            self._waiting.append(request)
            self._reply(ScanReply(request.id, "accepted"))

    def _reply(self, reply: ScanReply) -> None:
        """Forgets the sender once nothing more will be said; a sender that left costs nothing."""
        sender = self._senders[reply.id]
        if reply.status != "accepted":
            del self._senders[reply.id]
        try:
            self._socket.send_multipart([*sender, wire.encode_reply(reply)], zmq.DONTWAIT)
        except zmq.ZMQError:
            self.bad += 1
