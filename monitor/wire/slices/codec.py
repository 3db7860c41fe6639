"""A message of the slice stream → a record, in whichever codec it arrived."""

from __future__ import annotations

import json
from collections.abc import Sequence

from monitor.records import ScanEnd, ScanStart, SliceFrame
from monitor.wire.fields import Frame
from monitor.wire.slices import dectris, stins
from monitor.wire.slices.limits import LARGEST, Limits


def decode(frames: Sequence[Frame], limits: Limits = LARGEST) -> ScanStart | SliceFrame | ScanEnd:
    """The record in a received message, whose first byte says its codec. Raises BadMessage for
    anything that it cannot be, and for what is larger than the limits."""
    if dectris.is_dectris(frames):
        return dectris.decode(frames, limits)
    return stins.decode(frames, limits)


def header_of(frame: Frame) -> stins.Header:
    """What the first frame of a message that can be decoded says, in the keys of `stins`."""
    if dectris.is_dectris([frame]):
        return dectris.header_of(frame)
    header: stins.Header = json.loads(bytes(frame))
    return header
