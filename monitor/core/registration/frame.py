"""A scan → the frame of its cell's reference scan: moved sideways, along z and tilted.

Sideways, the height map tells: pits and roughness stay where they are. A scan is compared with the
one before it, whose pits have grown least, and the shifts add up, with their errors. Along z and
for the tilt, the bottom of the lithium tells; it is compared with that of the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.interface.heights import Heights
from monitor.core.registration.resample import moved_back
from monitor.core.registration.shift import Shift, Structure, find_shift, structure
from monitor.core.registration.tilt import Plane, fitted_plane
from monitor.records import LengthUnit, ScanStart, frozen

REACH_UM, REACH_PX = 20.0, 28.0
LEAST_VOXELS = 0.1
STILL_PX = 0.1
"""A cell that is not seen to move creeps by about so much from scan to scan."""
SIGNIFICANCE = 4.0
MOVED_VOXELS = 2.0
LEAST_NOISE_VOXELS = 0.02

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a scan lies against the reference: lengths in the length unit of the scan, NaN =
    unknown. `doubt`: one line where it seems to have moved and by how much cannot be determined."""

    registered: bool
    plane: Plane
    shift_y: float = math.nan
    shift_x: float = math.nan
    shift_error: float = math.nan
    doubt: str = ""

    def summary(self) -> dict[str, float]:
        """As it is in the summary of the scan."""
        return {
            "registered": self.registered,
            "shift_doubtful": bool(self.doubt),
            "shift_x_um": self.shift_x,
            "shift_y_um": self.shift_y,
            "shift_error_um": self.shift_error,
            "shift_z_um": self.plane.z,
            "shift_z_error_um": self.plane.z_error,
            "tilt_x_mrad": 1e3 * self.plane.slope_x,
            "tilt_y_mrad": 1e3 * self.plane.slope_y,
            "tilt_error_mrad": 1e3 * self.plane.slope_error,
        }


class Frame:
    """The frame of one cell: that of the first scan that is placed."""

    def __init__(self, *, has_bottom: bool) -> None:
        """`has_bottom`: the lithium's bottom is visible, so that shifts along z and tilts show."""
        self._has_bottom = has_bottom
        self._bottom: Map | None = None
        self._plane = Plane()
        self._partner: Structure | None = None
        self._left = np.zeros(2)
        self._covariance = np.zeros((2, 2))

    def place(self, start: ScanStart, heights: Heights) -> tuple[Heights, Registration]:
        """The scan in the frame, its maps untouched where it has not moved, and how it lay.

        All scans that are placed have one grid. Lateral shifts and bottoms are put right when they
        exceed a tenth of a voxel and four times their error. A lateral shift is uncertain by the
        step from the scan before: what the frame itself may have crept by all maps share.
        """
        if self._bottom is None:
            self._bottom = heights.bottom
            self._partner = _structure(start, heights)
            self._plane = Plane(*(5 * (0.0,) if self._has_bottom else ()))
            return heights, Registration(True, self._plane, 0.0, 0.0, 0.0)
        step = start.voxel_size[1:]
        found, now = self._compare(start, heights)
        total, covariance = self._left + _likely(found), self._covariance + found.covariance
        if _worth_it(total, covariance, found):
            heights = moved_back(heights, total, found.covariance)
            now, self._left = _structure(start, heights), np.zeros(2)
        elif found.state == "found":
            self._left = total
        if found.state == "found":
            self._covariance = covariance
        self._remember(found, now)
        plane = self._lie(heights.bottom, step)
        heights = _levelled(heights, plane, start)
        shift = total * step
        error = float(np.sqrt(max(np.diag(covariance) * np.square(step))))
        doubt = _doubt(found, start) or _moved_along_z(found, self._plane, plane, start)
        if math.isfinite(plane.z):
            self._plane = plane
        registered = found.state == "found"
        y, x = map(float, shift)
        return heights, Registration(registered, plane, y, x, error, doubt)

    def _compare(self, start: ScanStart, heights: Heights) -> tuple[Shift, Structure | None]:
        """The shift against the partner, and what the next scan may be compared with."""
        now = _structure(start, heights)
        unknown = Shift("featureless", np.full(2, np.nan), np.full((2, 2), np.nan))
        if now is None or self._partner is None:
            return unknown, now
        step = min(start.voxel_size[1:])
        reach = REACH_UM / step if start.voxel_size_um else REACH_PX
        return find_shift(self._partner, now, reach), now

    def _remember(self, found: Shift, now: Structure | None) -> None:
        """The next scan's partner: this scan, unless it shows less and could not be placed."""
        if now is None or found.state == "lost":
            return
        partner = self._partner
        if partner is None or found.state == "found" or now.energy > partner.energy:
            self._partner = now

    def _lie(self, bottom: Map, step: tuple[float, float]) -> Plane:
        if not self._has_bottom or self._bottom is None:
            return Plane()
        return fitted_plane(self._bottom, bottom, step)


def _levelled(heights: Heights, plane: Plane, start: ScanStart) -> Heights:
    """The bottom put back where that of the reference lay."""
    shape, step = heights.bottom.shape, start.voxel_size[1:]
    slopes = abs(plane.slope_y), abs(plane.slope_x)
    tilted = [s * n * d for s, n, d in zip(slopes, shape, step, strict=True)]
    large = max(abs(plane.z), *tilted) > LEAST_VOXELS * start.voxel_size[0]
    sure = (
        abs(plane.z) > SIGNIFICANCE * plane.z_error
        or max(slopes) > SIGNIFICANCE * plane.slope_error
    )
    if not (large and sure):
        return heights
    return replace(heights, bottom=frozen(heights.bottom - plane.over(shape, step)))


def _moved_along_z(found: Shift, former: Plane, plane: Plane, start: ScanStart) -> str:
    """A doubt where the cell moved along z or tilted, and sideways nothing can be reported."""
    if found.state != "featureless":
        return ""
    _, ny, nx = start.volume_shape
    _, dy, dx = start.voxel_size
    z = plane.z - former.z
    tilt = math.hypot(
        (plane.slope_y - former.slope_y) * ny * dy, (plane.slope_x - former.slope_x) * nx * dx
    )
    if not max(abs(z), tilt) > MOVED_VOXELS * start.voxel_size[0]:
        return ""
    unit = start.length_unit
    return (
        f"the cell moved by {z:+.1f} {unit} along z and tilted by {tilt:.1f} {unit} over the field "
        "since the previous scan; a sideways shift cannot be found, the surface shows too little "
        "structure: this scan is not registered"
    )


def _structure(start: ScanStart, heights: Heights) -> Structure | None:
    noise, least = heights.noise, LEAST_NOISE_VOXELS * start.voxel_size[0]
    return structure(heights.height, max(noise, least)) if math.isfinite(noise) else None


def _likely(found: Shift) -> NDArray[np.float64]:
    """The shift (y, x), pixels; one within its error, as far as a cell at rest would creep."""
    if found.state != "found" or _sure(found.yx, found.covariance):
        return found.yx
    creep = STILL_PX**2 * np.eye(2)
    return np.asarray(creep @ np.linalg.solve(creep + found.covariance, found.yx))


def _sure(shift: NDArray[np.float64], covariance: NDArray[np.float64]) -> bool:
    """Whether a shift is more than four times its error."""
    return float(shift @ np.linalg.solve(covariance, shift)) > SIGNIFICANCE**2


def _worth_it(total: NDArray[np.float64], covariance: NDArray[np.float64], found: Shift) -> bool:
    """Whether the maps must be moved: the shift from the reference is more than a tenth of a pixel,
    and it, or the step from the scan before, is sure."""
    if found.state != "found" or not float(np.hypot(*total)) > LEAST_VOXELS:
        return False
    return _sure(total, covariance) or _sure(found.yx, found.covariance)


def _doubt(found: Shift, start: ScanStart) -> str:
    if found.state != "lost":
        return ""
    unit: LengthUnit = start.length_unit
    reach = REACH_UM if unit == "µm" else REACH_PX
    guess = found.guess_px * min(start.voxel_size[1:])
    seems = f" (perhaps by {guess:.0f} {unit})" if guess > reach else ""
    return (
        f"the pits and the roughness of the previous scan were not found again within {reach:.0f} "
        f"{unit}: the cell seems to have moved sideways{seems}; this scan is not registered, its "
        "removal and currents are not reliable; check how the cell is held"
    )
