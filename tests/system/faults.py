"""A network that loses, repeats and shuffles messages and puts garbage between them, and a producer
of known scans behind it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import zmq

from monitor.records import ScanEnd, ScanStart, SliceFrame, frozen
from monitor.sources.feeds.resend_service import ResendService
from tests.core.phantom import columns, noisy, records, start
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S
from tests.recording.synthetic import frames_of

SHAPE = (240, 96, 96)
BOTTOM, TOP = 30.2, 150.0
IDLE_MS = 50

Message = list[bytes]
Records = list[ScanStart | SliceFrame | ScanEnd]


@dataclass
class Faults:
    """Shares of messages, and over how many places at most they are shuffled. `spare`: by a
    message's header, whether it is let through."""

    lose: float = 0.0
    repeat: float = 0.0
    shuffle: int = 0
    garbage: float = 0.0
    seed: int = 1
    spare: Callable[[dict[str, Any]], bool] = lambda header: False
    lost: list[dict[str, Any]] = field(default_factory=list)
    passed: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._held: list[tuple[float, int, Message, dict[str, Any]]] = []
        self._count = 0

    def pass_on(self, message: Message) -> list[Message]:
        """What comes out when this goes in."""
        header = json.loads(message[0])
        if self._happens(self.lose) and not self.spare(header):
            self.lost.append(header)
        else:
            for _ in range(1 + self._happens(self.repeat)):
                self._hold(message, header)
        if self._happens(self.garbage):
            self._hold(self._garbage(message, header), {})
        return self._release(self._count)

    def flush(self) -> list[Message]:
        """What is still held back."""
        return self._release(self._count + self.shuffle + 1)

    def _happens(self, share: float) -> bool:
        return self._random.random() < share

    def _hold(self, message: Message, header: dict[str, Any]) -> None:
        place = self._count + self.shuffle * self._random.random()
        self._held.append((place, self._count, message, header))
        self._count += 1

    def _release(self, before: float) -> list[Message]:
        out = sorted((held for held in self._held if held[0] < before), key=lambda held: held[:2])
        self._held = [held for held in self._held if held[0] >= before]
        self.passed += [header for *_, header in out if header]
        return [message for _, _, message, _ in out]

    def _garbage(self, message: Message, header: dict[str, Any]) -> Message:
        return self._random.choice(
            [
                [self._random.randbytes(300)],
                [b"{}"],
                [b""],
                [json.dumps(header | {"htype": "image"}).encode(), b"\x00" * 17],
                [json.dumps(header | {"htype": "imago"}).encode(), b"\x00"],
                [json.dumps(header | {"cell": 7}).encode(), b"\x00" * 8],
                [message[0][:-9], *message[1:]],
            ]
        )

    @property
    def gaps(self) -> int:
        """Messages that did not get through, as far as those before and after them tell."""
        numbers = [header["msg_number"] for header in self.passed]
        return sum(numbers[0] < header["msg_number"] < max(numbers) for header in self.lost)

    def frames_lost(self, scan: int) -> list[int]:
        """Slices of a scan that did not get through, or that came before the header did."""
        lost = {h["frame"] for h in self.lost if h["htype"] == "image" and h["scan"] == scan}
        mine = [h for h in self.passed if h["scan"] == scan]
        begun = next(n for n, h in enumerate(mine) if h["htype"] == "header")
        early = {h["frame"] for h in mine[:begun] if h["htype"] == "image"}
        after = {h["frame"] for h in mine[begun:] if h["htype"] == "image"}
        return sorted(lost | (early - after))


class Network:
    """Stands between a producer's XPUB and an engine, in a thread."""

    def __init__(self, inner: str, outer: str, faults: Faults) -> None:
        self._faults = faults
        self._context: zmq.Context[Any] = zmq.Context()
        self._in = self._context.socket(zmq.SUB)
        self._in.subscribe(b"")
        self._in.rcvhwm = 0
        self._in.connect(inner)
        self._out = self._context.socket(zmq.XPUB)
        self._out.setsockopt(zmq.XPUB_NODROP, 1)
        self._out.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._out.sndhwm = 0
        self._out.bind(outer)
        self._stop = threading.Event()
        self._joined = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def joined(self) -> None:
        """Wait until an engine has subscribed since the last call."""
        assert self._joined.wait(PATIENCE_S)
        self._joined.clear()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._out.poll(0) and self._out.recv()[:1] == b"\x01":
                self._joined.set()
            if self._in.poll(IDLE_MS):
                passed = self._faults.pass_on(self._in.recv_multipart())
            else:
                passed = self._faults.flush()
            for message in passed:
                self._out.send_multipart(message)


class Producer:
    """Sends records to a network, and again whatever it is asked for."""

    def __init__(self, inner: str, resend: str) -> None:
        self.service = ResendService(resend)
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.sndhwm = 0
        self._socket.bind(inner)
        assert self._socket.poll(PATIENCE_MS), "the network has not subscribed"
        self._socket.recv()

    def send(self, messages: Iterable[ScanStart | SliceFrame | ScanEnd], every_s: float) -> None:
        """Sends them one by one; what can be asked for again is kept."""
        for record in messages:
            frames = frames_of(record)
            if not isinstance(record, ScanEnd):
                self.service.keep(record, frames)
            self._socket.send_multipart(frames)
            time.sleep(every_s)

    def close(self) -> None:
        self.service.close()
        self._context.destroy(linger=0)


def scan(number: int, resend: str) -> Records:
    """Header, slices, end: two voxels of lithium less in each scan, and two pits."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    removed = np.full(SHAPE[1:], 2.0 * number)
    for cy, cx in ((28, 26), (66, 70)) if number else ():
        inside = 1 - ((y - cy) ** 2 + (x - cx) ** 2) / 14.0**2
        removed += (5 + 5 * number) * np.sqrt(np.clip(inside, 0, None))
    clean = columns(np.full(SHAPE[1:], BOTTOM), TOP - removed, SHAPE[0])
    reason = "periodic" if number else "reference"
    begin = start(SHAPE, scan=number, reason=reason, resend=resend)
    begin = replace(begin, msg_number=number * (SHAPE[0] + 2))
    made: Records = records(begin, frozen(noisy(clean, seed=number)))
    return made
