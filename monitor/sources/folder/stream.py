"""Scans of a folder as messages of one slice stream."""

from __future__ import annotations

import threading
import uuid
from typing import Any

from numpy.typing import NDArray

from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import SliceSocket
from monitor.sources.folder.growing import Say
from monitor.sources.folder.state import SentVolume
from monitor.wire.slices import stins

PATIENCE_S = 30.0
SETTLE_S = 1.0
"""Time for subscribers to be known: a PUB socket drops before that."""


class FolderStream:
    """One session of the producer. Nothing is sent as long as nobody subscribes; every method
    returns False, and has sent nothing, once `stop` is set."""

    def __init__(
        self,
        socket: SliceSocket,
        resend: ResendService | None,
        cell: str,
        run: str,
        stop: threading.Event,
        say: Say,
    ) -> None:
        self._socket = socket
        self._resend = resend
        self._cell = cell
        self._run = run
        self._stop = stop
        self._say = say
        self._name = str(uuid.uuid4())
        self._messages = 0
        self._slices: dict[tuple[str, int], int] = {}

    def header(self, known: SentVolume) -> bool:
        """Announces a scan, also one that an earlier process has begun."""
        self._slices[known.name, known.version] = 0
        start = ScanStart(
            key=ScanKey(self._cell, self._run, known.scan),
            stream=self._name,
            msg_number=self._messages,
            reason="reference" if known.reference else "periodic",
            request="",
            axis="z",
            volume_shape=known.shape,
            dtype=known.dtype,
            voxel_size_um=known.voxel_size_um,
            start_time=known.start_time,
            stop_time=known.stop_time,
            resend=self._resend.address if self._resend else "",
        )
        return self._send(stins.encode_start(start), start)

    def slice(self, known: SentVolume, index: int, pixels: NDArray[Any]) -> bool:
        """`pixels` is (ny, nx) in the type of the wire; it must not be changed afterwards."""
        frame = SliceFrame(self._cell, known.scan, self._name, self._messages, index, pixels)
        done = self._send(stins.encode_slice(frame), frame)
        self._slices[known.name, known.version] += done
        return done

    def end(self, known: SentVolume) -> bool:
        """Says how many slices of it this session has sent."""
        sent = self._slices[known.name, known.version]
        end = ScanEnd(self._cell, known.scan, self._name, self._messages, sent)
        return self._send(stins.encode_end(end))

    def wait_for_engine(self) -> None:
        """Returns once somebody subscribes, or `stop` is set."""
        if self._socket.wait_for_subscriber(0.0):
            return
        self._say("waiting for an engine", 0, 0)
        while not self._socket.wait_for_subscriber(PATIENCE_S) and not self._stop.is_set():
            self._say(
                f"{self._socket.endpoint}: no engine has subscribed; start the engine with this "
                "address in feeds.slices",
                0,
                0,
            )
        self._stop.wait(SETTLE_S)

    def _send(self, frames: list[stins.Frame], kept: ScanStart | SliceFrame | None = None) -> bool:
        self.wait_for_engine()
        if self._resend is not None and kept is not None:
            self._resend.keep(kept, frames)
        done = self._socket.send(frames)
        self._messages += done
        return done
