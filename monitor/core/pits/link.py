"""Pits of one scan ↔ pits of the scan before: which is which, who split, who was swallowed.

Pits do not move, they grow and merge, so place alone decides. The pairs of old and new pit with the
largest overlap belong together. A new pit left over is a hidden one that has come back, if it
holds that one's deepest pixel and is deepest near it; otherwise it is new, and where it overlaps an
old pit it split from it. An old pit left over is swallowed by the new one that it overlaps most, or
has vanished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.pits import label_kernels
from monitor.records import Pit, frozen

Labels = NDArray[np.int32]

RETURN_DIAMETERS = 0.25
RETURN_PX = 4.0
MIN_CHARGE_MAH_CM2 = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class PitMap:
    """The pits of one scan, with what the next scan needs to link its own to them.

    `labels`: (ny, nx) int32, the pit id of each pixel, 0 = none. `swallowed`: pits of the
    previous scan that are part of another one in this scan, which is their `parent`. `hidden`:
    every pit seen before but not in this scan, swallowed or vanished, as it last appeared.
    `peaks`: flat index of the deepest pixel of every id, by which a hidden pit is known when it
    comes back. `noise`: median standard error of the smoothed depth, in the length unit;
    `detection_limit`: depth of a pit that is found in 95 % of all cases.
    """

    labels: Labels
    pits: tuple[Pit, ...]
    next_id: int
    swallowed: tuple[Pit, ...] = ()
    hidden: tuple[Pit, ...] = ()
    peaks: Mapping[int, int] = field(default_factory=dict)
    noise: float = float("nan")
    detection_limit: float = float("nan")


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
    pixel: float,
    detection_limit: float = float("nan"),
) -> PitMap:
    """Turns labels 1…n into ids, in place.

    `pits[k]` and `peaks[k]` (flat index) belong to label k + 1.

    `pixel`: side of a pixel in the length unit of the pits. `previous` is an empty `PitMap` of the
    same shape if there is none.
    """
    overlaps = _overlaps(labels, previous)
    ids = _ids(labels, peaks, previous, overlaps, pixel)
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
    label_kernels.renumber(labels, ids)
    return PitMap(
        labels=frozen(labels),
        pits=tuple(placed),
        next_id=max(previous.next_id, int(ids.max()) + 1),
        swallowed=tuple(pit for pit in lost if pit.parent >= 0),
        hidden=hidden,
        peaks={**previous.peaks, **places},
        noise=noise,
        detection_limit=detection_limit,
    )


def _overlaps(labels: Labels, former: PitMap) -> list[Overlap]:
    """All pairs that share pixels, the largest first (then by label and id: deterministic)."""
    base = max(1, former.next_id)
    runs, lengths = label_kernels.overlaps(labels, former.labels, base)
    codes, place = np.unique(runs, return_inverse=True)
    pixels = np.bincount(place, lengths, len(codes)).astype(np.int64)
    largest_first = np.argsort(-pixels, kind="stable")
    return [
        Overlap(int(codes[i]) // base, int(codes[i]) % base, int(pixels[i])) for i in largest_first
    ]


def _ids(
    labels: Labels,
    peaks: NDArray[np.int64],
    previous: PitMap,
    overlaps: list[Overlap],
    pixel: float,
) -> Labels:
    """(count + 1,) the id of each label; entry 0 stays 0."""
    ids = np.zeros(len(peaks) + 1, np.int32)
    taken: set[int] = set()
    for overlap in overlaps:
        if ids[overlap.label] == 0 and overlap.former not in taken:
            ids[overlap.label] = overlap.former
            taken.add(overlap.former)
    for pit in previous.hidden:
        peak = previous.peaks[pit.id]
        label = labels.flat[peak]
        near = max(RETURN_DIAMETERS * pit.diameter / pixel, RETURN_PX)
        if label > 0 and ids[label] == 0 and _apart(peak, peaks[label - 1], labels) <= near:
            ids[label] = pit.id
    new = np.flatnonzero(ids[1:] == 0) + 1
    ids[new] = previous.next_id + np.arange(len(new), dtype=np.int32)
    return ids


def _apart(one: int, other: int, labels: Labels) -> float:
    """Distance in pixels between two flat indices."""
    width = labels.shape[1]
    return math.hypot(one // width - other // width, one % width - other % width)


def _lost(previous: PitMap, ids: Labels, overlaps: list[Overlap]) -> tuple[Pit, ...]:
    """The old pits without a successor; `parent` = the id that swallowed them, -1 = vanished."""
    seen = set(ids.tolist())
    swallower = {o.former: int(ids[o.label]) for o in reversed(overlaps)}
    return tuple(
        replace(pit, parent=swallower.get(pit.id, -1))
        for pit in previous.pits
        if pit.id not in seen
    )


@dataclass(frozen=True, slots=True)
class PitChanges:
    """How many pits were never seen before and split from none, or split from another; were
    swallowed by another, or are gone without one."""

    pits_born: int
    pits_split: int
    pits_merged: int
    pits_vanished: int


@dataclass(frozen=True, slots=True)
class PitGrowth:
    """Medians over the pits seen in both scans, length unit per mAh/cm²; None = unknown."""

    pit_depth_growth: float | None = None
    pit_diameter_growth: float | None = None


def changes(pits: PitMap, previous: PitMap | None) -> PitChanges:
    """What became of the pits since the scan before."""
    first = previous.next_id if previous else 1
    new = [pit for pit in pits.pits if pit.id >= first]
    known = {pit.id for pit in previous.hidden} if previous else set()
    lost = [pit for pit in pits.hidden if pit.id not in known]
    split, merged = sum(pit.parent >= 0 for pit in new), sum(pit.parent >= 0 for pit in lost)
    return PitChanges(len(new) - split, split, merged, len(lost) - merged)


def growth(pits: PitMap, previous: PitMap | None, charge_mAh_cm2: float | None) -> PitGrowth:
    """Growth of depth and diameter with the charge; unknown without charge or without pits seen in
    both scans. `charge_mAh_cm2`: stripped between the two."""
    before = {pit.id: pit for pit in previous.pits} if previous else {}
    both = [(pit, before[pit.id]) for pit in pits.pits if pit.id in before]
    if not both or charge_mAh_cm2 is None or not abs(charge_mAh_cm2) >= MIN_CHARGE_MAH_CM2:
        return PitGrowth()
    depths = np.median([now.depth_max - then.depth_max for now, then in both])
    diameters = np.median([now.diameter - then.diameter for now, then in both])
    return PitGrowth(float(depths / charge_mAh_cm2), float(diameters / charge_mAh_cm2))


class Persistence:
    """Watches one cell: are the pits of the first discharge still there in the later ones?"""

    def __init__(self) -> None:
        self._pits: frozenset[int] = frozenset()
        self._charge = -math.inf

    def update(
        self, pits: PitMap, discharge: int | None, charge_mAh_cm2: float | None
    ) -> float | None:
        """Share of the first discharge's pits that are there in this scan; None before the second.

        `discharge`: number of the discharge last begun; `charge_mAh_cm2`: net charge stripped since
        the reference. The pits of the first discharge are those at its end, i.e. in the scan with
        the largest charge before the second begins. A pit is there under its own id, or as part of
        one that has swallowed it.
        """
        if discharge is None or charge_mAh_cm2 is None:
            return None
        if discharge == 1:
            if charge_mAh_cm2 >= self._charge:
                self._charge = charge_mAh_cm2
                self._pits = frozenset(pit.id for pit in pits.pits)
            return None
        if not self._pits:
            return None
        swallower = {pit.id: pit.parent for pit in pits.hidden}
        seen = {pit.id for pit in pits.pits}
        return sum(_ends_in(k, swallower) in seen for k in self._pits) / len(self._pits)


def _ends_in(identity: int, swallower: Mapping[int, int]) -> int:
    """The pit that this one is part of now: itself, its swallower, or that one's; -1 = none."""
    followed: set[int] = set()
    while identity in swallower and identity not in followed:
        followed.add(identity)
        identity = swallower[identity]
    return -1 if identity in followed else identity
