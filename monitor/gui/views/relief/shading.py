"""A surface as light falls on it: heights, slopes and colours of a relief. Pure functions, no Qt.

The light and the slopes follow B. K. P. Horn, "Hill shading and the reflectance map", Proc. IEEE
69, 14-47 (1981): a matt (Lambertian) surface, slopes by 3 × 3 weighted central differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.wire.results.headers import ReplyHeader

Array = NDArray[np.float32]
Colours = NDArray[np.uint8]

AMBIENT = 0.4
"""Share of the light that comes from everywhere."""
MOST_POINTS = 320 * 320
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True, slots=True)
class Look:
    """How a relief is shown. `hills`: removal upwards, so that pits are hills; `times`: how far z
    is stretched; `azimuth`: where the light comes from, degrees clockwise from +y (the top of the
    map); `altitude`: degrees of the light above the map."""

    hills: bool = True
    times: int = 5
    azimuth: int = 315
    altitude: int = 45

    @property
    def compass(self) -> str:
        """The azimuth as a point of the compass."""
        return COMPASS[round(self.azimuth / 45) % 8]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A surface to be drawn, in the unit of its lengths.

    `values`: (ny, nx) float32 of the map, NaN = not measurable; `z`: (ny, nx) float32 without NaN,
    0 at its lowest; `hole`: (ny, nx) bool, if nothing was measurable (there `z` is the plateau);
    `y`, `x`: float32 places of the rows and columns.
    """

    values: Array
    z: Array
    hole: NDArray[np.bool_]
    y: Array
    x: Array

    @property
    def height(self) -> float:
        """From the lowest to the highest point."""
        return float(self.z.max())

    @property
    def pitch(self) -> tuple[float, float]:
        """Distance of neighbouring rows and of neighbouring columns."""
        return _pitch(self.y), _pitch(self.x)


def thin(array: NDArray[Any]) -> int:
    """Every how many points are enough to draw."""
    return max(1, int(np.ceil(np.sqrt(array.size / MOST_POINTS))))


def surface(
    array: Array, header: ReplyHeader, plateau: float | None, hills: bool
) -> Surface | None:
    """The surface of a map's reply; None if nothing of it is measurable.

    `plateau`: level of what was not measurable; the median if it is not known. Removal is a
    hill where it is much, height where it is little.
    """
    measured = np.isfinite(array)
    if not measured.any():
        return None
    skip = thin(array)
    array, measured = array[::skip, ::skip], measured[::skip, ::skip]
    values = array[measured]
    level = float(np.median(values)) if plateau is None else plateau
    upwards = hills == (header["name"] != "height")
    z = np.where(measured, array, np.float32(level))
    z = z if upwards else -z
    floor = (values if upwards else -values).min() if values.size else np.float32(0)
    y0, _, x0, _ = header["window"]
    _, vy, vx = header["voxel_size"]
    step = header["step"] * skip
    return Surface(
        array,
        np.ascontiguousarray(np.maximum(z - floor, 0), np.float32),
        ~measured,
        ((y0 + step * np.arange(z.shape[0])) * vy).astype(np.float32),
        ((x0 + step * np.arange(z.shape[1])) * vx).astype(np.float32),
    )


def shade(ground: Surface, look: Look) -> Array:
    """(ny, nx) brightness of each point, from `AMBIENT` to 1; holes, and what lies next to them,
    as flat ground."""
    slope_y, slope_x = slopes(ground.z * np.float32(look.times), *ground.pitch)
    blind = _grown(ground.hole)
    slope_y[blind] = slope_x[blind] = 0
    light = lambert(slope_y, slope_x, look.azimuth, look.altitude)
    return np.float32(AMBIENT) + np.float32(1 - AMBIENT) * light


def slopes(z: Array, pitch_y: float, pitch_x: float) -> tuple[Array, Array]:
    """∂z/∂y and ∂z/∂x, (ny, nx) float32 each: Horn's differences; the rim repeats itself."""
    wide = np.pad(z, 1, mode="edge")
    along_y = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    along_x = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    slope_x = (along_y[:, 2:] - along_y[:, :-2]) / np.float32(8 * pitch_x)
    slope_y = (along_x[2:] - along_x[:-2]) / np.float32(8 * pitch_y)
    return slope_y.astype(np.float32, copy=False), slope_x.astype(np.float32, copy=False)


def lambert(slope_y: Array, slope_x: Array, azimuth: float, altitude: float) -> Array:
    """Cosine of the angle between the light and the surface's normal, 0 where it lies in its own
    shadow."""
    turn, rise = np.radians(azimuth), np.radians(altitude)
    to_x, to_y, to_z = np.sin(turn) * np.cos(rise), np.cos(turn) * np.cos(rise), np.sin(rise)
    facing = np.float32(to_z) - np.float32(to_x) * slope_x - np.float32(to_y) * slope_y
    facing /= np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    return np.maximum(facing, 0)


def painted(
    ground: Surface,
    levels: tuple[float, float],
    table: Colours,
    light: Array,
    no_data: Colours,
) -> Colours:
    """(ny, nx, 4) uint8: the values through the colour `table` (n, 3 or more) between `levels`, in
    this `light`; holes in the colour of no data."""
    low, high = levels
    last = len(table) - 1
    places = (ground.values - np.float32(low)) * np.float32(last / max(high - low, 1e-12))
    np.copyto(places, 0, where=ground.hole)
    colours = np.full((*places.shape, 4), 255, np.uint8)
    chosen = table[:, :3].astype(np.float32)[np.clip(places, 0, last).astype(np.intp)]
    chosen[ground.hole] = no_data
    colours[..., :3] = chosen * light[..., None]
    return colours


def _pitch(places: Array) -> float:
    return float(places[1] - places[0]) if places.size > 1 else 1.0


def _grown(hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The holes with all points that touch them."""
    if not hole.any():
        return hole
    wide = np.pad(hole, 1)
    rows = wide[:-2] | wide[1:-1] | wide[2:]
    grown: NDArray[np.bool_] = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return grown
