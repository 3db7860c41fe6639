"""Slices of a volume that is being written: which can be sent, and as what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

from monitor.errors import PitwatchError, SourceError
from monitor.sources.folder.growing import Growing, Progress
from monitor.sources.folder.state import SentVolume
from monitor.sources.volumes.planes import to_wire

Planes = Iterator[tuple[int, NDArray[Any] | None]]
"""Index along z, and (ny, nx) in the type of the file; None for what cannot be read."""


def complete_planes(
    volume: Growing, now: Progress, indices: Sequence[int], done: bool, say: Callable[[str], None]
) -> Planes:
    """The slices among `indices` that are complete. Once the files are `done`, None stands for one
    that cannot be read, which is said. Raises SourceError and OSError before."""
    planes = _read(volume, indices, done, say)
    if done or now.written or not indices:
        return planes
    return _written(now, planes) if now.in_place or _ends_blank(volume, now) else planes


def sent_pixels(
    now: Progress,
    known: SentVolume,
    index: int,
    plane: NDArray[Any],
    keep_blank: bool,
    say: Callable[[str], None],
) -> NDArray[Any] | None:
    """A slice as `publish` sends it, None if it is left out, which is said."""
    if now.blank(plane) and not now.written and not keep_blank:
        say(
            f"{known.name}: slices contain a single value: never written, or padding; they are "
            "left out and count as missing; if they are padding, use --keep-blank"
        )
        return None
    try:
        return to_wire(plane, known.dtype, known.name, index)
    except SourceError as error:
        say(f"{error}; the slice is left out")
        return None


def checksum(plane: NDArray[Any]) -> int:
    """CRC-32 of the pixels as the file holds them."""
    return int(crc32(np.ascontiguousarray(plane).data))


def _read(
    volume: Growing, indices: Sequence[int], done: bool, say: Callable[[str], None]
) -> Planes:
    place = 0
    while place < len(indices):
        try:
            for plane in volume.planes(indices[place:]):
                yield indices[place], plane
                place += 1
        except (PitwatchError, OSError) as error:
            if not done:
                raise
            say(f"{error}; the slice is left out")
            yield indices[place], None
            place += 1


def _ends_blank(volume: Growing, now: Progress) -> bool:
    """Whether the last slice there is blank, as in a file that is filled after it was given its
    full size."""
    try:
        (plane,) = volume.planes([now.ready[-1]])
    except (PitwatchError, OSError):
        return False
    return now.blank(plane)


def _written(now: Progress, planes: Planes) -> Planes:
    """Up to the last that was written: in a file whose slices have their place from the start, a
    slice is complete once the next one has begun."""
    waiting: list[tuple[int, NDArray[Any] | None]] = []
    for index, plane in planes:
        if plane is not None and now.blank(plane):
            return
        yield from waiting
        waiting = [(index, plane)]
    yield from waiting
