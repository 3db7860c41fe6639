"""The porous deposit that grows on charge: top of the dense lithium, front of the moss, porosity.

A column is an ordered stack lithium | moss | electrolyte whose grey level rises from 0 to the
porosity to 1. A first look finds both edges of sums over neighbouring columns in one pass (two
change points, Viterbi 1967); each edge is then found again by maximum likelihood along paths that
follow it, as in refine.py: the dense top, whose contrast is the porosity's share, on pairs of
columns averaged over two pixels, the front on single ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from monitor.core.deposit import kernels
from monitor.core.deposit.edges import LEAST_ROOM, refined_dense, refined_front, within
from monitor.core.deposit.layers import (
    SIGMA_PAIRS,
    Stack,
    look,
    looked_inside,
    summed_pairs,
    survey,
    unseen,
)
from monitor.core.refinement.band import Range
from monitor.core.refinement.refine import averaged, row_blocks

HALO = 12
PRIOR_SPREAD = 0.05
NEAR_PLACE = 4.0
THIN_MARGIN = 1.0
LEAST_CONFIDENCE = 0.6

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Deposit:
    """Maps (ny, nx) float32; positions and errors in slices, voxel centres at 0, 1, …

    `dense` is the top of the dense lithium and `front` that of the deposit; the same where no moss
    was found. `confidence`, 0 to 1: probability that the number of layers is right and both edges
    lie within 3 voxels. Where it is below 0.6 the other maps are NaN; `porosity` is NaN too if
    there is no moss. `stack` has the field's porosity.
    """

    dense: Map
    front: Map
    dense_error: Map
    front_error: Map
    porosity: Map
    porosity_error: Map
    confidence: Map
    stack: Stack


def deposit(
    ratios: NDArray[np.int8],
    around: Range,
    limit: float,
    place: Map,
    place_error: Map,
    *,
    came: NDArray[np.bool_] | None = None,
    vertical: bool = False,
    reversed_z: bool = False,
    expected: float = 0.5,
) -> Deposit:
    """The two surfaces of a scan made while or after lithium was plated.

    `ratios`: (ny, n, nx) int8, slices `around` as log-likelihood ratios (of the layer beyond to the
    one before), 127 units for `limit` nats; at least ten of them lie inside the dense lithium, and
    in the electrolyte. `place`, `place_error`: (ny, nx) float32, the
    one interface found so far and its standard deviation, in slices. `came`: (n,), or (ny,) with
    `vertical`, slices that arrived; those that did not are filled in, in place. `reversed_z`: the
    electrolyte comes first. `expected`: probability, before anything was seen, that there is moss.
    """
    ny, n, _ = ratios.shape
    known = np.ones(ny if vertical else n, np.bool_) if came is None else came
    _fill(ratios, known, vertical)
    start = _place_to_planes(place, around, n, reversed_z)
    stack = survey(ratios, limit, reversed_z=reversed_z, expected=expected)
    if stack.present:
        maps = _in_blocks(ratios, start, place_error, stack, reversed_z)
    else:
        nothing = np.full_like(start, np.nan)
        sure = within(place_error) / np.float32(1 + unseen(stack))
        maps = np.stack([start, start, place_error, place_error, nothing, nothing, sure])
    dense, front, dense_error, front_error, porosity, porosity_error, confidence = maps
    if vertical:
        confidence[~known] = 0
    else:
        upright = known[::-1] if reversed_z else known
        dense_error[:] = np.hypot(dense_error, _hole(upright, dense))
        front_error[:] = np.hypot(front_error, _hole(upright, front))
    confidence[np.isnan(dense) | np.isnan(front)] = 0
    maps[:6, confidence < LEAST_CONFIDENCE] = np.nan
    for surface in (dense, front):
        surface[:] = _planes_to_place(surface, around, n, reversed_z)
    return Deposit(
        dense, front, dense_error, front_error, porosity, porosity_error, confidence, stack
    )


def _in_blocks(
    ratios: NDArray[np.int8], start: Map, start_error: Map, stack: Stack, reversed_z: bool
) -> Map:
    """Maps (7, ny, nx) of the field: those of `Deposit` in its order, positions in planes."""
    ny, _, nx = ratios.shape
    maps = np.empty((7, ny, nx), np.float32)
    for rows, near, inner in row_blocks(ny, HALO):
        part = _block(ratios[near], start[near], start_error[near], stack, reversed_z)
        maps[:, rows] = part[:, inner]
    return maps


def _block(
    ratios: NDArray[np.int8], start: Map, start_error: Map, stack: Stack, reversed_z: bool
) -> Map:
    """As `_in_blocks`, of some rows."""
    ny, planes, nx = ratios.shape
    pairs = summed_pairs(ratios, reversed_z)
    lithium, moss, electrolyte = stack.levels
    dense, front, _ = look(pairs, stack.levels)
    inside = looked_inside(pairs, dense, front, stack.levels, stack.noise)
    mean, weight = inside.mean, inside.weight
    # in a field that has moss a thin layer is seen by its few voxels in the middle
    thin = looked_inside(pairs, dense, front, stack.levels, stack.noise, THIN_MARGIN)
    evidence = np.maximum(inside.evidence, thin.evidence)
    # the local grey level, as far as it is known better than the field's
    prior = (stack.noise / (PRIOR_SPREAD * (electrolyte - lithium))) ** 2
    level = np.where(weight > 0, mean * weight, 0) + moss * prior
    level = (level / (weight + prior)).astype(np.float32)
    dense, variance = refined_dense(pairs, dense, level, stack)
    share = (moss - lithium) / (electrolyte - lithium)
    porosity = (mean - lithium) / (electrolyte - lithium)
    with np.errstate(divide="ignore"):
        error = stack.noise / np.sqrt(weight) / (electrolyte - lithium)
    out = np.empty((7, ny, nx), np.float32)
    level_px, sure = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    path = np.empty((ny, nx), np.float32)
    for coarse, fine in (
        (dense, out[0]),
        (np.sqrt(variance), out[2]),
        (np.where(weight > 0, porosity, share), out[4]),
        (error, out[5]),
        (level, level_px),
        (expit(evidence + logit(stack.share)), sure),
        (within(np.sqrt(variance)), out[6]),
        (averaged(front, SIGMA_PAIRS), path),
    ):
        kernels.double(coarse.astype(np.float32), fine)
    path = np.where(np.abs(start - path) < NEAR_PLACE, start, path)
    out[1], out[3] = refined_front(ratios, path, level_px, stack, reversed_z)
    _put_confidence(out, start, start_error, sure, stack, planes)
    return out


def _put_confidence(
    out: Map, start: Map, start_error: Map, sure: Map, stack: Stack, planes: int
) -> None:
    """Sets the confidence, and the one interface if there is no moss. Changes `out`.

    An edge at an end of the band may lie beyond it: not to be trusted.
    """
    ordered = (out[0] >= LEAST_ROOM) & (out[1] > out[0]) & (out[1] <= planes - LEAST_ROOM)
    both = out[6] * within(out[3]) * ordered
    absent = ~(sure > 0.5)
    alone = within(start_error) / np.float32(1 + unseen(stack))
    out[6] = np.where(absent, alone, sure * both)
    for surface, error in ((0, 2), (1, 3)):
        out[surface] = np.where(absent, start, out[surface])
        out[error] = np.where(absent, start_error, out[error])
    out[4:6, absent] = np.nan


def _fill(ratios: NDArray[np.int8], known: NDArray[np.bool_], vertical: bool) -> None:
    """Slices that did not arrive get the nearest one's values, in place."""
    have = np.flatnonzero(known)
    if not have.size:
        ratios[:] = 0
        return
    for gap in np.flatnonzero(~known):
        near = have[np.abs(have - gap).argmin()]
        if vertical:
            ratios[gap] = ratios[near]
        else:
            ratios[:, gap] = ratios[:, near]


def _hole(known: NDArray[np.bool_], surface: Map) -> Map:
    """Standard deviation of an edge somewhere in a hole of the slices, 0 elsewhere."""
    width = np.zeros(len(known) + 1, np.float32)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        width[begin : end + 1] = (end - begin + 1) / math.sqrt(12.0)
    at = np.clip(np.nan_to_num(np.rint(surface)), 0, len(known)).astype(np.int64)
    spread: Map = width[at]
    return spread


def _place_to_planes(place: Map, around: Range, n: int, reversed_z: bool) -> Map:
    """Positions in slices as planes at which the further layer begins, lithium first."""
    planes = place - np.float32(around.first - 0.5)
    return n - planes if reversed_z else planes


def _planes_to_place(planes: Map, around: Range, n: int, reversed_z: bool) -> Map:
    return (n - planes if reversed_z else planes) + np.float32(around.first - 0.5)
