"""The producer's side of resending: what was sent is kept for a while, and sent when asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import zmq

from monitor.errors import BadMessage, SettingError
from monitor.records import ResendEnd, ResendQuestion, ScanStart, SliceFrame
from monitor.sockets.connection import keep_alive
from monitor.sockets.keys import bind_here
from monitor.wire import resend as wire
from monitor.wire.slices.stins import Frame

KEPT_BYTES = 2**29
KEPT_SCANS = 3
POLL_MS = 50
ANSWERS_WAITING = 1000

Name = tuple[str, str, int]
Messages = list[list[Frame]]


@dataclass(slots=True)
class _Kept:
    """What is kept of one scan: the frames of its messages as they were sent."""

    header: list[Frame] | None = None
    slices: OrderedDict[int, list[Frame]] = field(default_factory=OrderedDict)


class ResendService:
    """ROUTER that answers out of memory, in a thread of its own: the newest scans of each cell, as
    far as `kept_bytes` of slices go; the oldest leave first.

    Buffers are not copied: what is kept must not be changed afterwards. `keep` may be called from
    any thread.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        kept_bytes: int = KEPT_BYTES,
        kept_scans: int = KEPT_SCANS,
        setting: str = "resend endpoint",
    ) -> None:
        """Binds. Raises SettingError, which names the setting, where the address cannot be had."""
        self._kept_bytes = kept_bytes
        self._kept_scans = kept_scans
        self._lock = threading.Lock()
        self._scans: OrderedDict[Name, _Kept] = OrderedDict()
        self._bytes = 0
        self._stop = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.sndhwm = ANSWERS_WAITING
        self._socket.maxmsgsize = wire.MAX_BYTES
        keep_alive(self._socket)
        try:
            bind_here(self._socket, endpoint, setting)
        except SettingError:
            self._context.destroy(linger=0)
            raise
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._serve, name="resend", daemon=True)
        self._thread.start()

    def keep(self, record: ScanStart | SliceFrame, frames: Sequence[Frame]) -> None:
        """Keeps a message that is sent now, with its frames."""
        with self._lock:
            if isinstance(record, ScanStart):
                self._scan(record.key.cell, record.stream, record.key.scan).header = list(frames)
                return
            scan = self._scan(record.cell, record.stream, record.scan)
            self._bytes += _bytes(frames) - _bytes(scan.slices.get(record.frame))
            scan.slices[record.frame] = list(frames)
            self._make_room()

    def close(self) -> None:
        """Ends the service; a second call does nothing."""
        self._stop.set()
        self._thread.join()
        self._context.destroy(linger=0)

    # --- what is kept -----------------------------------------------------------------------------

    def _scan(self, cell: str, stream: str, number: int) -> _Kept:
        """A scan that is sent; the oldest ones of its cell leave if there are too many."""
        name = (cell, stream, number)
        if name not in self._scans:
            mine = [known for known in self._scans if known[0] == cell]
            for old in mine[: max(0, len(mine) + 1 - self._kept_scans)]:
                left = self._scans.pop(old).slices.values()
                self._bytes -= sum(_bytes(frames) for frames in left)
            self._scans[name] = _Kept()
        return self._scans[name]

    def _make_room(self) -> None:
        for scan in self._scans.values():
            while self._bytes > self._kept_bytes and scan.slices:
                _, frames = scan.slices.popitem(last=False)
                self._bytes -= _bytes(frames)

    def _answers(self, question: ResendQuestion) -> Messages:
        """What is kept of what is asked for, and what is missing."""
        with self._lock:
            scan = self._find(question)
            found: Messages = []
            if question.header and scan.header is not None:
                found.append(scan.header)
            frames = dict.fromkeys(question.frames)
            found += [scan.slices[frame] for frame in frames if frame in scan.slices]
            unknown = tuple(frame for frame in frames if frame not in scan.slices)
        end = ResendEnd(question.cell, question.scan, unknown, question.id)
        return [*found, wire.encode_end(end)]

    def _find(self, question: ResendQuestion) -> _Kept:
        """The newest scan that is meant."""
        for (cell, stream, number), scan in reversed(self._scans.items()):
            asked = (question.cell, question.stream or stream, question.scan)
            if (cell, stream, number) == asked:
                return scan
        return _Kept()

    # --- the thread -------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(POLL_MS):
                sender, *frames = self._socket.recv_multipart()
                try:
                    question = wire.decode_question(frames[-1] if frames else b"")
                except BadMessage:
                    continue  # whoever sent it hears nothing, as if it had never arrived
                for answer in self._answers(question):
                    self._socket.send_multipart([sender, *answer], copy=False)


def _bytes(frames: Sequence[Frame] | None) -> int:
    return len(frames[-1]) if frames else 0
