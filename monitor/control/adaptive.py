"""Scan requests of a running engine as suggestions of bluesky-adaptive.

`RequestedScans` has the methods of its protocols `Optimizer` and `TrialFaultAware`: its plans then
acquire what pitwatch asks for, with any acquisition plan and evaluation function. pitwatch decides
when a scan is worth its dose; nothing is optimised here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import zmq

from monitor.errors import BadMessage
from monitor.records import ScanReply, ScanRequest
from monitor.settings import RequestSettings
from monitor.sockets.keys import bind_here
from monitor.wire import requests as wire

ID_KEY = "_id"
"""Of bluesky-adaptive: the key of suggestions and outcomes that identifies them."""
REMEMBERED = 1000
READ_S = 0.5
"""Time for the engine to read the last replies: those it has not read end with the connection."""
WHY_FAILED = "the scan failed or was interrupted"
_DEFAULTS = RequestSettings()


@dataclass(slots=True)
class _Known:
    """A request, who asked last, and the last reply."""

    request: ScanRequest
    peer: bytes
    reply: ScanReply
    open: bool = True


class RequestedScans:
    """ROUTER at the address `requests.endpoint` of the engine (backend `mailbox`).

    It has no thread: it listens when one of its methods is called. A request that arrives meanwhile
    waits in the socket, and the engine repeats it.

    An id leads to one scan, however often it is sent. Use it from one plan at a time.
    """

    def __init__(self, endpoint: str = _DEFAULTS.endpoint) -> None:
        """Binds. Raises SettingError if the address is in use, or can be reached by others."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        try:
            bind_here(self._socket, endpoint, "requests.endpoint")
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuses what is still open."""
        if self.refuse():
            time.sleep(READ_S)
        self._context.destroy(linger=1000)

    def refuse(self, why: str = "the acquisition has ended") -> int:
        """Refuses all requests that are open; returns how many."""
        refused = [known for known in self._known.values() if known.open]
        for known in refused:
            self._reply(known, "refused", why=why)
        return len(refused)

    def waiting(self) -> int:
        """How many requests wait for a scan. Each is accepted when it is first received."""
        while self._socket.poll(0):
            peer, *frames = self._socket.recv_multipart()
            try:
                request = wire.decode_request(frames[-1] if frames else b"")
            except BadMessage:
                continue  # nothing is answered
            self._receive(peer, request)
        return sum(known.reply.status == "accepted" for known in self._known.values())

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """The oldest requests, at most `num_points` (by default one): `_id`, `cell`, `reason` and
        `after_scan` of each; none if none waits. They count as running from then on. `_id` belongs
        into the header of the scan's slices (`request`)."""
        self.waiting()
        accepted = [known for known in self._known.values() if known.reply.status == "accepted"]
        taken = accepted[: 1 if num_points is None else num_points]
        for known in taken:
            self._reply(known, "running")
        return [
            {
                ID_KEY: known.request.id,
                "cell": known.request.cell,
                "reason": known.request.reason,
                "after_scan": known.request.after_scan,
            }
            for known in taken
        ]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Scans that were made: `_id`, and `scan`, the number in the header of its slices, if it is
        known. Other outcomes are not used, nor those of points that were never suggested."""
        for point in points:
            known = self._known.get(str(point.get(ID_KEY, "")))
            if known is not None and known.open:
                scan = point.get("scan")
                self._reply(known, "done", scan=None if scan is None else int(scan))

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Scans that failed. pitwatch may then ask for another one."""
        for suggestion in suggestions:
            known = self._known.get(str(suggestion.get(ID_KEY, "")))
            if known is not None and known.open:
                self._reply(known, "failed", why=WHY_FAILED)

    def get_best_points(self) -> list[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
        """None: a requested scan is not better than another one."""
        return []

    def _receive(self, peer: bytes, request: ScanRequest) -> None:
        known = self._known.get(request.id)
        if known is None:
            known = self._known[request.id] = _Known(
                request, peer, ScanReply(request.id, "accepted", "", None)
            )
            self._forget()
        known.peer = peer
        self._send(known)

    def _reply(self, known: _Known, status: Any, *, why: str = "", scan: int | None = None) -> None:
        known.reply = ScanReply(known.request.id, status, why, scan)
        known.open = status in ("accepted", "running")
        self._send(known)

    def _send(self, known: _Known) -> None:
        self._socket.send_multipart([known.peer, wire.encode_reply(known.reply)])

    def _forget(self) -> None:
        """The oldest that have ended, past the number that is remembered."""
        ended = [id_ for id_, known in self._known.items() if not known.open]
        for id_ in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._known[id_]
