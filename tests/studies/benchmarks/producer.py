"""Sends scans that were rendered and encoded beforehand, as fast as they are taken.

`python -m tests.studies.benchmarks.producer ADDRESS SIDE SLICES THICKNESS SCANS GREY`. Nothing is
dropped: a full queue makes it wait. All scans carry the same volume, which is rendered once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

import numpy as np
import zmq

from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.wire.slices import stins
from tests.studies.benchmarks.phantom import VOXEL_UM, Foil


def start_of(foil: Foil, scan: int, msg_number: int) -> ScanStart:
    """`header` of a scan of this foil, half an hour after the previous one."""
    shape = (foil.slices, foil.side, foil.side)
    return ScanStart(
        ScanKey("A", "", scan), "s", msg_number, "periodic", "", "z", shape, "uint16",
        (VOXEL_UM,) * 3, 1800.0 * scan, 1800.0 * scan + 60.0,
    )  # fmt: skip


def messages(foil: Foil, scan: int, planes: Iterable[np.ndarray]) -> Iterator[list[stins.Frame]]:
    """All messages of one scan, in order."""
    number = scan * (foil.slices + 2)
    yield stins.encode_start(start_of(foil, scan, number))
    for z, image in enumerate(planes):
        yield stins.encode_slice(SliceFrame("A", scan, "s", number + 1 + z, z, image))
    yield stins.encode_end(ScanEnd("A", scan, "s", number + 1 + foil.slices, foil.slices))


def bound(context, address: str, hwm: int = 50):
    """A socket that drops nothing, in which so many messages wait."""
    made = context.socket(zmq.XPUB)
    made.setsockopt(zmq.XPUB_NODROP, 1)
    made.setsockopt(zmq.SNDHWM, hwm)
    made.bind(address)
    return made


def main() -> None:
    """Wait for a subscriber, send all, wait to be ended."""
    address, side, slices, thickness, scans, grey = sys.argv[1], *map(int, sys.argv[2:])
    foil = Foil(side, slices, thickness, grey)
    volume = foil.volume(1)
    prepared = [list(messages(foil, scan, volume)) for scan in range(scans)]
    socket = bound(zmq.Context(), address)
    socket.recv()
    time.sleep(0.5)
    for scan in prepared:
        for frames in scan:
            socket.send_multipart(frames, copy=False)
    sys.stdin.read()


if __name__ == "__main__":
    main()
