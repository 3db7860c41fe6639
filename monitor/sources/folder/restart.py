"""What a process that continues another one sends again."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from monitor.sources.folder.state import SentFolder

QUEUED = 4
"""Slices that wait in the socket: they are lost when the process is killed."""
RESENT = QUEUED + 4


def taken_back(sent: SentFolder, again_bytes: float) -> SentFolder:
    """With the last messages of the process before taken back, and so many bytes of slices: some
    may not have left it, or may not have been recorded."""
    left, left_bytes = RESENT, again_bytes
    volumes = []
    for known in reversed(sent.volumes):
        plane_bytes = np.dtype(known.dtype).itemsize * known.shape[1] * known.shape[2]
        back = min(max(left, math.ceil(max(0.0, left_bytes) / plane_bytes)), known.slices)
        left, left_bytes = max(0, left - back), left_bytes - back * plane_bytes
        volumes.append(replace(known, slices=known.slices - back, ended=known.ended and not back))
    return replace(sent, volumes=tuple(reversed(volumes)))


def for_new_recording(sent: SentFolder) -> SentFolder:
    """What has ended stays so; a volume that has not is sent from its first slice."""
    volumes = (known if known.ended else replace(known, slices=0) for known in sent.volumes)
    return replace(sent, volumes=tuple(volumes))
