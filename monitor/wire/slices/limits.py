"""How large a message may be: looked at before memory is taken for what it says."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitor.errors import BadMessage
from monitor.settings import FeedSettings
from monitor.wire.fields import MAX_SIDE

MAX_VOXELS = 2**40
MAX_DEPTH = 32
FEW_BRACKETS = 32
MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest slice, and the largest volume, that memory is taken for: `feeds.max_slice_Mpx`
    and `max_volume_GB`."""

    slice_pixels: int = MAX_SIDE**2
    volume_bytes: int = 4 * MAX_VOXELS


LARGEST = Limits()


def limits_of(feeds: FeedSettings) -> Limits:
    """The largest slice and volume that the settings let in."""
    return Limits(
        slice_pixels=int(feeds.max_slice_Mpx * 1e6),
        volume_bytes=int(feeds.max_volume_GB * 1e9),
    )


def check_volume(shape: Sequence[int], axis: str, itemsize: int, limits: Limits) -> None:
    """Raises BadMessage for a scan (nz, ny, nx) that is too large. Of an honest one, every pixel of
    a map takes memory, and every voxel room on the disk."""
    nz, ny, nx = shape
    pixels = nx * max(ny, nz if axis == "y" else 0)
    size = nz * ny * nx * itemsize
    if pixels > limits.slice_pixels:
        raise _too_large(
            f"slices of {pixels / 1e6:.0f} Mpx", "slice_Mpx", limits.slice_pixels / 1e6
        )
    if size > limits.volume_bytes:
        raise _too_large(f"{size / 1e9:.0f} GB", "volume_GB", limits.volume_bytes / 1e9)


def check_slice(shape: Sequence[int], limits: Limits) -> None:
    """Raises BadMessage for a slice that is too large: compressed, it may be short."""
    pixels = math.prod(shape)
    if pixels > limits.slice_pixels:
        raise _too_large(
            f"a slice of {pixels / 1e6:.0f} Mpx", "slice_Mpx", limits.slice_pixels / 1e6
        )


def _too_large(what: str, setting: str, limit: float) -> BadMessage:
    return BadMessage(
        "too_large",
        f"slices: {what} announced, feeds.max_{setting} is {limit:g}; refused; raise the setting "
        "if the machine has enough memory",
    )


def is_deep(value: Any, frame: bytes | memoryview) -> bool:
    """Whether a value out of a frame of JSON is nested deeper than anything needs to be: what is
    read at one place might not be written at another, where the stack has less room."""
    text = bytes(frame)
    if text.count(b"[") + text.count(b"{") <= FEW_BRACKETS:
        return False
    return depth(value) > MAX_DEPTH


def depth(value: Any) -> int:
    """How deep lists and maps are nested, as far as MAX_DEPTH + 1."""
    level, layer = 0, [value]
    while level <= MAX_DEPTH:
        boxes = [item for item in layer if isinstance(item, dict | list | tuple)]
        if not boxes:
            break
        level += 1
        layer = [item for box in boxes for item in (box.values() if isinstance(box, dict) else box)]
    return level


def shown(value: object) -> str:
    """A value out of a message as an error shows it, cut if it is long or deep."""
    return reprlib.repr(value)[:MAX_SHOWN]
