"""Pits of one scan ↔ pits of the scan before: which is which, who split, who was swallowed.

Pits do not move, they grow and merge, so place alone decides. The pairs of old and new pit with the
largest overlap belong together. A new pit left over is a hidden one that has come back, where it
holds that one's deepest pixel; else it is new, and where it overlaps an old pit it split from it.
An old pit left over is swallowed by the new one that it overlaps most, or has vanished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.records import Pit, frozen

Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class PitMap:
    """The pits of one scan, with what the next scan needs to link its own to them.

    `labels`: (ny, nx) int32, the pit id of each pixel, 0 = none. `swallowed`: pits of the
    previous scan that are part of another one in this scan, which is their `parent`. `hidden`:
    every pit seen before but not in this scan, swallowed or vanished, as it last appeared.
    `peaks`: flat index of the deepest pixel of every id, by which a hidden pit is known when it
    comes back. `noise`: median standard error of the smoothed depth, in the length unit.
    """

    labels: Labels
    pits: tuple[Pit, ...]
    next_id: int
    swallowed: tuple[Pit, ...] = ()
    hidden: tuple[Pit, ...] = ()
    peaks: Mapping[int, int] = field(default_factory=dict)
    noise: float = float("nan")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pixels that a label of this scan shares with a pit of the previous one."""

    label: int
    former: int
    pixels: int


def link(
    labels: Labels,
    peaks: NDArray[np.int64],
    pits: list[Pit],
    *,
    scan: int,
    previous: PitMap,
    noise: float,
) -> PitMap:
    """Turns labels 1…n into ids. `pits[k]` and `peaks[k]` (flat index) belong to label k + 1.

    `previous` is an empty `PitMap` of the same shape where there is none.
    """
    overlaps = _overlaps(labels, previous.labels)
    ids = _ids(labels, len(pits), previous, overlaps)
    main = {o.label: o.former for o in reversed(overlaps)}
    known = {pit.id: pit for pit in previous.pits + previous.hidden}
    visible = {pit.id for pit in previous.pits}
    placed = []
    for k, pit in enumerate(pits, start=1):
        name = int(ids[k])
        before = known.get(name)
        parent = before.parent if before and name in visible else main.get(k, -1)
        first = before.first_scan if before else scan
        placed.append(replace(pit, id=name, parent=parent, first_scan=first))
    lost = _lost(previous, ids, overlaps)
    seen = {pit.id for pit in placed}
    hidden = tuple(pit for pit in previous.hidden if pit.id not in seen) + lost
    places = {pit.id: int(peak) for pit, peak in zip(placed, peaks, strict=True)}
    return PitMap(
        labels=frozen(ids[labels]),
        pits=tuple(placed),
        next_id=max(previous.next_id, int(ids.max()) + 1),
        swallowed=tuple(pit for pit in lost if pit.parent >= 0),
        hidden=hidden,
        peaks={**previous.peaks, **places},
        noise=noise,
    )


def _overlaps(labels: Labels, former: Labels) -> list[Overlap]:
    """All pairs that share pixels, the largest first (then by label and id: deterministic)."""
    both = (labels > 0) & (former > 0)
    base = int(former.max()) + 1
    codes, pixels = np.unique(
        labels[both].astype(np.int64) * base + former[both], return_counts=True
    )
    largest_first = np.argsort(-pixels, kind="stable")
    return [
        Overlap(int(codes[i]) // base, int(codes[i]) % base, int(pixels[i])) for i in largest_first
    ]


def _ids(labels: Labels, count: int, previous: PitMap, overlaps: list[Overlap]) -> Labels:
    """(count + 1,) the id of each label; entry 0 stays 0."""
    ids = np.zeros(count + 1, np.int32)
    taken: set[int] = set()
    for overlap in overlaps:
        if ids[overlap.label] == 0 and overlap.former not in taken:
            ids[overlap.label] = overlap.former
            taken.add(overlap.former)
    for pit in previous.hidden:
        label = labels.flat[previous.peaks[pit.id]]
        if label > 0 and ids[label] == 0:
            ids[label] = pit.id
    new = np.flatnonzero(ids[1:] == 0) + 1
    ids[new] = previous.next_id + np.arange(len(new), dtype=np.int32)
    return ids


def _lost(previous: PitMap, ids: Labels, overlaps: list[Overlap]) -> tuple[Pit, ...]:
    """The old pits without a successor; `parent` = the id that swallowed them, -1 = vanished."""
    seen = set(ids.tolist())
    swallower = {o.former: int(ids[o.label]) for o in reversed(overlaps)}
    return tuple(
        replace(pit, parent=swallower.get(pit.id, -1))
        for pit in previous.pits
        if pit.id not in seen
    )
