"""Do pits sit on grain boundaries? Their distance to them, against that of random places.

The boundaries come as a binary image of the electrode before the experiment (SEM, EBSD), placed on
the map by landmarks seen in both, or where it is nearly in place already, by correlation.
Lengths in µm, places (y, x) on the map with the first pixel's centre at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter

from monitor.records import frozen

MIN_LANDMARKS = 3
MIN_SPREAD = 1e-3
"""Landmarks whose triangle is thinner than this share of its length lie on one line."""
DRAWS = 999
CORRELATION_BLUR_PX = 2.0

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """An affine map from image pixels to µm: place = `matrix` @ (row, column) + `origin`.

    `residual_um`: rms distance of the landmarks from where the map puts them; NaN with three only,
    which any affine map fits.
    """

    matrix: NDArray[np.float64]
    origin: NDArray[np.float64]
    residual_um: float = float("nan")

    def place(self, pixels: Points) -> Points:
        """(n, 2) image pixels → (n, 2) µm."""
        placed: Points = pixels @ self.matrix.T + self.origin
        return placed


@dataclass(frozen=True, slots=True)
class Attraction:
    """How near to boundaries the pits are.

    `p_value`: chance that as many places at random are as near on average, from `draws` tries;
    `ratio`: mean distance ÷ that of random places, below 1 where pits prefer boundaries;
    `within`: share of the pits nearer than `near_um`, and `within_random` of random places.
    """

    pits: int
    mean_um: float
    random_mean_um: float
    ratio: float
    p_value: float
    within: float
    within_random: float
    near_um: float
    draws: int


def by_landmarks(image_px: NDArray[Any], map_um: NDArray[Any]) -> Placement:
    """The affine map that brings landmarks of the image onto those of the map, by least squares.

    `image_px`, `map_um`: (n, 2), the same n ≥ 3 places as (row, column) and as (y, x). Raises
    ValueError if they do not fix a placement.
    """
    pixels, places = np.asarray(image_px, float), np.asarray(map_um, float)
    if pixels.shape != places.shape or pixels.ndim != 2 or pixels.shape[1] != 2:
        raise ValueError(
            f"landmarks: {pixels.shape} in the image, {places.shape} on the map; expected the same "
            "number of (row, column) and (y, x)"
        )
    if len(pixels) < MIN_LANDMARKS:
        raise ValueError(f"landmarks: got {len(pixels)}, expected at least {MIN_LANDMARKS}")
    for points, where in ((pixels, "image"), (places, "map")):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if not spread[1] > MIN_SPREAD * spread[0]:
            raise ValueError(
                f"landmarks: all on one line in the {where}; add one that is not on it"
            )
    basis = np.column_stack((pixels, np.ones(len(pixels))))
    solution = np.linalg.lstsq(basis, places, rcond=None)[0]
    off = np.sum((basis @ solution - places) ** 2, axis=1)
    residual = float(np.sqrt(off.mean())) if len(pixels) > MIN_LANDMARKS else float("nan")
    return Placement(frozen(solution[:2].T.copy()), frozen(solution[2].copy()), residual)


def lay(
    picture: NDArray[Any],
    landmarks: Any,
    shape: tuple[int, int],
    pixel_um: float,
    *,
    fitted_to: NDArray[Any] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """A picture on a map by its landmarks, (n, 4) as (row, column, y, x): what `on_map` gives, and
    the landmarks' residual in µm.

    `fitted_to`: (ny, nx), larger where pits are, which the picture is moved to. Raises ValueError.
    """
    marks = np.array(landmarks, np.float64)
    placement = by_landmarks(marks[:, :2], marks[:, 2:])
    if fitted_to is not None:
        if not np.any(fitted_to):
            raise ValueError("shift_by_scan: that scan has no pits to align the picture with")
        placement = by_correlation(picture, fitted_to, placement, pixel_um)
    return *on_map(picture, placement, shape, pixel_um), placement.residual_um


def on_map(
    boundaries: NDArray[Any], placement: Placement, shape: tuple[int, int], pixel_um: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The image placed on the map: (ny, nx) boundaries, and (ny, nx) where the image reaches.

    `boundaries`: 2-D, true or above 0 on a boundary; `shape`, `pixel_um`: of the map. Boundaries
    thinner than a pixel of the map are kept.
    """
    image = np.asarray(boundaries) > 0
    back = np.linalg.inv(placement.matrix)
    grid = {"matrix": back * pixel_um, "offset": -back @ placement.origin, "output_shape": shape}
    grid |= {"mode": "grid-constant"}  # a picture reaches half a pixel beyond its pixels' centres
    seen = affine_transform(np.ones(image.shape, np.uint8), order=0, **grid) > 0
    drawn = affine_transform(image.astype(np.uint8), order=0, **grid) > 0
    cells = np.rint(placement.place(np.argwhere(image).astype(float)) / pixel_um).astype(int)
    inside = ((cells >= 0) & (cells < shape)).all(axis=1)
    drawn[tuple(cells[inside].T)] = True
    return drawn, seen


def by_correlation(
    boundaries: NDArray[Any],
    pits: NDArray[Any],
    placement: Placement,
    pixel_um: float,
) -> Placement:
    """`placement` moved to where boundaries and pits overlap best (cross-correlation).

    `pits`: (ny, nx) map that is larger where pits are, e.g. labels > 0 of an early scan, or any
    other picture of the boundaries. Corrects a shift of up to a quarter of the field, no rotation.
    What is placed by the pits must not be tested by the same pits.
    """
    picture = np.asarray(pits, float)
    drawn, seen = on_map(boundaries, placement, picture.shape, pixel_um)
    one = _blurred(drawn, seen)
    two = _blurred(np.nan_to_num(picture), np.isfinite(picture))
    size = [2 * n for n in picture.shape]
    product = np.fft.irfft2(np.fft.rfft2(two, size) * np.conj(np.fft.rfft2(one, size)), size)
    reach = [max(1, n // 4) for n in picture.shape]
    near = np.roll(product, reach, axis=(0, 1))[: 2 * reach[0] + 1, : 2 * reach[1] + 1]
    shift = np.array(np.unravel_index(int(near.argmax()), near.shape)) - reach
    return Placement(placement.matrix, placement.origin + shift * pixel_um, placement.residual_um)


def attraction(
    pits_um: NDArray[Any],
    boundaries: NDArray[np.bool_],
    pixel_um: float,
    *,
    seen: NDArray[np.bool_] | None = None,
    near_um: float = 5.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Attraction | None:
    """Mean distance of pit centres to the nearest boundary, against places at random.

    `pits_um`: (n, 2) centres (y, x); `boundaries`: (ny, nx) on the map; `seen`: where a pit could
    have been found and the image reaches. Random places are drawn there with the same number,
    `draws` times; p = (1 + how many are as near) ÷ (1 + draws) (Davison & Hinkley, Bootstrap
    Methods and their Application, 1997, ch. 4). One-sided. None without pits or boundaries.
    """
    allowed = np.ones(boundaries.shape, np.bool_) if seen is None else seen
    own, anywhere = distances(pits_um, boundaries, pixel_um, allowed)
    if not (own.size and (boundaries & allowed).any()):
        return None
    random = np.random.default_rng(seed).choice(anywhere, size=(draws, own.size))
    as_near = int((random.mean(axis=1) <= own.mean()).sum())
    mean, expected = float(own.mean()), float(anywhere.mean())
    return Attraction(
        pits=own.size,
        mean_um=mean,
        random_mean_um=expected,
        ratio=mean / expected if expected > 0.0 else float("nan"),
        p_value=(1 + as_near) / (1 + draws),
        within=float((own <= near_um).mean()),
        within_random=float((anywhere <= near_um).mean()),
        near_um=near_um,
        draws=draws,
    )


def distances(
    pits_um: NDArray[Any], boundaries: NDArray[np.bool_], pixel_um: float, seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """To the nearest boundary, µm: (n,) of the pits that lie where `seen` is, and (m,) of all
    places there."""
    cells = np.rint(np.asarray(pits_um, float).reshape(-1, 2) / pixel_um).astype(int)
    cells = cells[((cells >= 0) & (cells < boundaries.shape)).all(axis=1)]
    cells = cells[seen[tuple(cells.T)]]
    distance = distance_transform_edt(~boundaries, sampling=pixel_um)
    return distance[tuple(cells.T)], distance[seen]


def _blurred(picture: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The picture without its mean, smoothed, 0 where nothing is known."""
    values = np.where(known, picture, 0.0).astype(np.float64)
    mean = values.sum() / max(1, int(known.sum()))
    blurred: NDArray[np.float64] = gaussian_filter(
        np.where(known, values - mean, 0.0), CORRELATION_BLUR_PX
    )
    return blurred
