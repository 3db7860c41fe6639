"""Loops over pixels for the registration of height maps. NaN = not measured, throughout."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from monitor.core.parallel import parallel

BIN = 2
LEAST_IN_BIN = 2
LEAST_WEIGHT = 0.5
LEAST_IN_TILE = 8.0
LEAST_IN_SAMPLE = 4
WIDE = 3.0

Map = NDArray[np.float32]


@parallel()
def binned(height: Map) -> Map:  # pragma: no cover
    """Means over 2 × 2 pixels; an odd last row or column is left out."""
    ny, nx = height.shape[0] // BIN, height.shape[1] // BIN
    out = np.empty((ny, nx), np.float32)
    for at in prange(ny):
        y = np.int64(at)
        for x in range(nx):
            total, count = np.float32(0.0), 0
            for j in range(BIN):
                for i in range(BIN):
                    value = height[BIN * y + j, BIN * x + i]
                    if value == value:
                        total += value
                        count += 1
            out[y, x] = total / np.float32(count) if count >= LEAST_IN_BIN else np.float32(np.nan)
    return out


@parallel()
def smoothed(surface: Map) -> Map:  # pragma: no cover
    """Averages with weights 1 2 1 along both axes over what is known; the border is kept."""
    ny, nx = surface.shape
    out = surface.copy()
    for at in prange(1, ny - 1):
        y = np.int64(at)
        for x in range(1, nx - 1):
            total, weight = np.float32(0.0), np.float32(0.0)
            for j in range(-1, 2):
                for i in range(-1, 2):
                    value = surface[y + j, x + i]
                    if value == value:
                        share = np.float32((2 - abs(j)) * (2 - abs(i))) / np.float32(16.0)
                        total += share * value
                        weight += share
            out[y, x] = total / weight if weight >= LEAST_WEIGHT else np.float32(np.nan)
    return out


@parallel()
def slopes(surface: Map) -> tuple[Map, Map]:  # pragma: no cover
    """Central differences along y and x; NaN along the border."""
    ny, nx = surface.shape
    along_y = np.full((ny, nx), np.float32(np.nan), np.float32)
    along_x = np.full((ny, nx), np.float32(np.nan), np.float32)
    half = np.float32(0.5)
    for at in prange(1, ny - 1):
        y = np.int64(at)
        for x in range(1, nx - 1):
            along_y[y, x] = half * (surface[y + 1, x] - surface[y - 1, x])
            along_x[y, x] = half * (surface[y, x + 1] - surface[y, x - 1])
    return along_y, along_x


@parallel()
def directions(
    slope_y: Map, slope_x: Map, steep: float
) -> NDArray[np.complex64]:  # pragma: no cover
    """Slopes as complex numbers g / (|g| + `steep`), 0 where not known: walls of any depth count
    alike, what is far less steep counts by its slope (after Fitch et al., BMVC 2002)."""
    ny, nx = slope_y.shape
    out = np.zeros((ny, nx), np.complex64)
    for at in prange(ny):
        y = np.int64(at)
        for x in range(nx):
            u, v = slope_y[y, x], slope_x[y, x]
            size = np.sqrt(u * u + v * v)
            if size == size and size > 0.0:
                share = np.float32(1.0) / (size + np.float32(steep))
                out[y, x] = complex(u * share, v * share)
    return out


@parallel()
def normal_equations(
    before: Map,
    before_y: Map,
    before_x: Map,
    now: Map,
    now_y: Map,
    now_x: Map,
    shift_y: float,
    shift_x: float,
    side: int,
    usual: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # pragma: no cover
    """Least-squares equations N s = r, tile by tile, for what is still missing from the shift.

    `now` is read between its pixels at `shift`; r = Σ g̃ (before − now), N = Σ g̃ gᵀ with g̃ the slope
    of `before`, freed of constant, height and steepness over the tile, and g that of `now` (the
    noise of the two is independent: it does not add to N). Returns (tiles, 2, 2) and (tiles, 2).
    """
    ny, nx = before.shape
    down, right = ny // side, nx // side
    normal = np.zeros((down * right, 2, 2))
    rest = np.zeros((down * right, 2))
    whole_y, whole_x = int(np.floor(shift_y)), int(np.floor(shift_x))
    part_y, part_x = np.float32(shift_y - whole_y), np.float32(shift_x - whole_x)
    near_y, near_x = int(np.rint(shift_y)), int(np.rint(shift_x))
    one = np.float32(1.0)
    w00, w01 = (one - part_y) * (one - part_x), (one - part_y) * part_x
    w10, w11 = part_y * (one - part_x), part_y * part_x
    low_x = max(1, 1 - whole_x, 1 - near_x)
    high_x = min(nx - 1, nx - 1 - whole_x, nx - 1 - near_x)
    low_y = max(1, 1 - whole_y, 1 - near_y)
    high_y = min(ny - 1, ny - 1 - whole_y, ny - 1 - near_y)
    for at in prange(down * right):
        k = np.int64(at)
        ty, tx = k // right, k % right
        box = (
            max(low_y, ty * side), min(high_y, (ty + 1) * side),
            max(low_x, tx * side), min(high_x, (tx + 1) * side),
        )  # fmt: skip
        _tile_equations(
            before, before_y, before_x, now, now_y, now_x, box,
            (whole_y, whole_x, near_y, near_x), (w00, w01, w10, w11), usual, normal[k], rest[k],
        )  # fmt: skip
    return normal, rest


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _tile_equations(  # type: ignore[no-untyped-def]
    before, before_y, before_x, now, now_y, now_x, box, lags, weights, usual, normal, rest
) -> None:  # pragma: no cover
    """Those of one tile, rows and columns `box`; `weights` of the four pixels at `lags`."""
    # of the nuisances 1, a, m; the slopes u, v; the rest d; the slopes p, q of `now`
    n = sa = sm = saa = sam = smm = 0.0
    su = sau = smu = sv = sav = smv = 0.0
    sd = sad = smd = sp = sap = smp = sq = saq = smq = 0.0
    sud = svd = sup = suq = svp = svq = 0.0
    top, bottom, left, end = box
    if top >= bottom or left >= end:
        return
    whole_y, whole_x, near_y, near_x = lags
    w00, w01, w10, w11 = weights
    zero, one = np.float32(0.0), np.float32(1.0)
    sample = np.empty(((bottom - top) // 3 + 1) * ((end - left) // 3 + 1), np.float32)
    count = 0
    for y in range(top, bottom, 3):
        for x in range(left, end, 3):
            d = before[y, x] - now[y + near_y, x + near_x]
            if d == d:
                sample[count] = d
                count += 1
    if count < LEAST_IN_SAMPLE:
        return
    middle = np.float32(np.median(sample[:count]))
    spread = np.float32(np.median(np.abs(sample[:count] - middle)))
    scale = one / max(np.float32(usual), np.float32(WIDE) * spread)
    for y in range(top, bottom):
        for x in range(left, end):
            a, u, v = before[y, x], before_y[y, x], before_x[y, x]
            p, q = now_y[y + near_y, x + near_x], now_x[y + near_y, x + near_x]
            j, i = y + whole_y, x + whole_x
            b = w00 * now[j, i] + w01 * now[j, i + 1]
            b += w10 * now[j + 1, i] + w11 * now[j + 1, i + 1]
            d = a - b - middle
            known = d + u + v + p + q
            if known == known:
                w = one / (one + abs(d) * scale)
            else:
                w = a = u = v = p = q = d = zero
            m = np.sqrt(u * u + v * v)
            wa, wm, wu, wv = w * a, w * m, w * u, w * v
            n += w
            sa += wa
            sm += wm
            saa += wa * a
            sam += wa * m
            smm += wm * m
            su += wu
            sau += wa * u
            smu += wm * u
            sv += wv
            sav += wa * v
            smv += wm * v
            sd += w * d
            sad += wa * d
            smd += wm * d
            sp += w * p
            sap += wa * p
            smp += wm * p
            sq += w * q
            saq += wa * q
            smq += wm * q
            sud += wu * d
            svd += wv * d
            sup += wu * p
            suq += wu * q
            svp += wv * p
            svq += wv * q
    if n < LEAST_IN_TILE:
        return
    freed(
        (n, sa, sm, saa, sam, smm),
        (
            (sud, su, sau, smu, sd, sad, smd),
            (svd, sv, sav, smv, sd, sad, smd),
            (sup, su, sau, smu, sp, sap, smp),
            (suq, su, sau, smu, sq, saq, smq),
            (svp, sv, sav, smv, sp, sap, smp),
            (svq, sv, sav, smv, sq, saq, smq),
        ),
        normal,
        rest,
    )


@njit(nogil=True, cache=True)
def freed(nuisances, products, normal, rest) -> None:  # type: ignore[no-untyped-def] # pragma: no cover
    """Takes constant, height a and steepness m off six sums of products (Gram-Schmidt).

    `nuisances`: Σ 1, a, m, aa, am, mm; `products`: of two factors each, Σ of their product, of the
    first alone, times a, times m, then of the second. The first two results go to `rest` (2,), the
    others to `normal` (2, 2); both stay as they are where the height does not vary.
    """
    n, sa, sm, saa, sam, smm = nuisances
    caa, cam, cmm = saa - sa * sa / n, sam - sa * sm / n, smm - sm * sm / n
    if not caa > 0.0:
        return
    lead = cam / caa
    cmm -= cam * lead
    for number in range(6):
        both, one, one_a, one_m, two, two_a, two_m = products[number]
        a_one, a_two = one_a - sa * one / n, two_a - sa * two / n
        m_one, m_two = one_m - sm * one / n - lead * a_one, two_m - sm * two / n - lead * a_two
        value = both - one * two / n - a_one * a_two / caa
        if cmm > 0.0:
            value -= m_one * m_two / cmm
        if number < 2:
            rest[number] = value
        else:
            normal[(number - 2) // 2, (number - 2) % 2] = value
