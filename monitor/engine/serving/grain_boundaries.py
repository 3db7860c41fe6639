"""Grain boundaries on the map of a scan, and how near to them its pits are."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monitor.core.pits import grain_boundaries as core
from monitor.engine.serving.map_replies import about
from monitor.engine.serving.scan_history import Scan
from monitor.engine.serving.state import Store
from monitor.errors import BadMessage, SettingError
from monitor.records import ScanKey
from monitor.settings import BoundarySettings, Settings
from monitor.sources.pictures import read_picture
from monitor.wire.fields import Frame
from monitor.wire.results.headers import Attraction, MapPart
from monitor.wire.results.queries import MapRequest, Request
from monitor.wire.results.replies import encode_reply, fit, thinning

NAME = "grain_boundaries"
UNSEEN, NONE, BOUNDARY = -1, 0, 1
MOST_PIXELS = 4e6
"""On a larger map, distances are computed in steps of several pixels, so that they are available
while slices are received."""


@dataclass(frozen=True, eq=False)
class _Laid:
    """A picture on the maps of a cell: int8 (ny, nx), `UNSEEN`, `NONE` or `BOUNDARY`."""

    shape: tuple[int, int]
    pixel_um: float
    values: NDArray[np.int8]
    residual_um: float


class Boundaries:
    """The pictures named in the settings, placed on the maps when they are first requested.

    For one thread only: a reply takes time.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._asked = {cell.name: cell.boundaries for cell in settings.cells}
        self._store = store
        self._pictures: dict[str, NDArray[np.bool_]] = {}
        self._laid: dict[str, _Laid] = {}
        self._found: dict[str, tuple[ScanKey, bool, core.Attraction | None]] = {}

    def reply(self, request: MapRequest) -> list[Frame]:
        """A window of the boundaries, thinned so that no line is lost, with the numbers of the
        scan's pits. Raises BadMessage if there are none, with the reason."""
        scan = self._store.scan(request.cell, request.scan)
        asked = self._asked.get(request.cell)
        if asked is None:
            todo = "name a picture in [cells.boundaries] of its settings"
            raise BadMessage("no_map", f"cell {request.cell} has no grain boundaries: {todo}")
        laid = self._laid_on(scan, asked)
        y0, y1, x0, x1 = fit(laid.shape, request.window, request.shape)
        step = thinning((y1 - y0, x1 - x0), request.shape)
        found = self._attraction(scan, laid, asked)
        part: MapPart = {
            "window": (y0, y1, x0, x1),
            "step": step,
            "landmark_residual_um": laid.residual_um,
            "attraction": None if found is None else cast(Attraction, asdict(found)),
        }
        window = thinned(laid.values[y0:y1, x0:x1], step)
        header = about("map", scan, request, "")
        return encode_reply({**header, **part}, window.astype(np.int32))

    def _laid_on(self, scan: Scan, asked: BoundarySettings) -> _Laid:
        start, cell = scan.start, scan.start.key.cell
        shape = (start.volume_shape[1], start.volume_shape[2])
        if start.voxel_size_um is None or start.voxel_size_um[1] != start.voxel_size_um[2]:
            why = "the pixels of this map are not square, or their size is not known"
            raise BadMessage("no_map", f"grain boundaries: {why}")
        pixel_um = start.voxel_size_um[1]
        known = self._laid.get(cell)
        if known is None or (known.shape, known.pixel_um) != (shape, pixel_um):
            known = self._laid[cell] = self._lay(cell, asked, shape, pixel_um)
        return known

    def _lay(
        self, cell: str, asked: BoundarySettings, shape: tuple[int, int], pixel_um: float
    ) -> _Laid:
        fitted_to = None
        if asked.shift_by_scan is not None:
            shifting = self._store.scan(cell, asked.shift_by_scan)
            fitted_to = self._store.map(shifting, "pit_labels") > 0
        try:
            if cell not in self._pictures:
                self._pictures[cell] = read_picture(Path(asked.image), asked.lines)
            drawn, seen, residual = core.lay(
                self._pictures[cell], asked.landmarks, shape, pixel_um, fitted_to=fitted_to
            )
        except (SettingError, ValueError) as error:
            raise BadMessage("no_map", f"grain boundaries: {error}") from None
        values = np.where(drawn, BOUNDARY, np.where(seen, NONE, UNSEEN)).astype(np.int8)
        return _Laid(shape, pixel_um, values, residual)

    def _attraction(
        self, scan: Scan, laid: _Laid, asked: BoundarySettings
    ) -> core.Attraction | None:
        """What the pits of a final scan say; None if there are none."""
        key = scan.start.key
        known = self._found.get(key.cell)
        if known is None or known[:2] != (key, scan.provisional):
            found = self._judged(scan, laid, asked)
            known = self._found[key.cell] = (key, scan.provisional, found)
        return known[2]

    def _judged(self, scan: Scan, laid: _Laid, asked: BoundarySettings) -> core.Attraction | None:
        born = -1 if asked.shift_by_scan is None else asked.shift_by_scan
        places = [(pit.y, pit.x) for pit in scan.pits if pit.first_scan > born]
        if not places or "removal" not in scan.names:
            return None
        step = max(1, math.ceil(math.sqrt(laid.values.size / MOST_PIXELS)))
        measured = np.isfinite(self._store.map(scan, "removal")).astype(np.int8)
        values = thinned(laid.values, step)
        return core.attraction(
            np.array(places),
            values == BOUNDARY,
            laid.pixel_um * step,
            seen=(values > UNSEEN) & (thinned(measured, step) > 0),
            near_um=asked.near_um,
        )


def thinned(values: NDArray[np.int8], step: int) -> NDArray[np.int8]:
    """The largest value of each step × step pixels; at the far sides, of the remaining ones."""
    rows, columns = (range(0, length, step) for length in values.shape)
    return np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1)


def is_asked(request: Request) -> bool:
    """Whether a request is for boundaries."""
    return isinstance(request, MapRequest) and request.name == NAME
