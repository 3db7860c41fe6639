"""Maps as a screen requests them: of one scan or minus another, whole or in part, with or without
the values below their errors; and measurements in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.surface_statistics.profiles import along, bilinear
from monitor.core.surface_statistics.regions import (
    Region,
    describe,
    histogram,
    mean_error,
    region_of,
    significant,
)
from monitor.core.surface_statistics.tiles import tile_px
from monitor.engine.serving.scan_history import Scan
from monitor.engine.serving.state import Store
from monitor.errors import BadMessage
from monitor.quantities.table import CURRENT_MAPS, LABELS, MAPS
from monitor.wire.fields import Frame
from monitor.wire.results.headers import AboutMap, MapPart, ProfilePart, StatisticsPart
from monitor.wire.results.queries import MapRequest, ProfileRequest, StatisticsRequest
from monitor.wire.results.replies import encode_reply, fit, thinning

LARGE_PIXELS = 2**18
"""Number of pixels from which a reply takes long enough (10 ms) to delay the small ones."""

DIFFERENCE_ERRORS = {name: one.error for name, one in MAPS.items() if one.error}
ERRORS = {name: error for name, error in DIFFERENCE_ERRORS.items() if name != "height"}
"""Without that of the height: every height is many times its error."""

MapQuestion = MapRequest | StatisticsRequest | ProfileRequest
Pick = Callable[[NDArray[Any]], NDArray[Any]]


def maps_needed(request: MapQuestion) -> list[tuple[int | None, str]]:
    """(scan, name) of all maps that the reply needs."""
    names = [request.name]
    known = ERRORS if request.minus is None else DIFFERENCE_ERRORS
    if request.least_errors and request.name in known:
        names.append(known[request.name])
        names += ["removal"] if request.name == "absolute" else []
    scans = [request.scan, *([] if request.minus is None else [request.minus])]
    return [(scan, name) for scan in scans for name in names]


def is_slow(store: Store, request: MapQuestion) -> bool:
    """True if the answer needs a file, or many pixels."""
    if any(store.is_on_disk(request.cell, scan, name) for scan, name in maps_needed(request)):
        return True
    if isinstance(request, ProfileRequest):
        return False
    _, ny, nx = store.scan(request.cell, request.scan).start.volume_shape
    if isinstance(request, MapRequest):
        y0, y1, x0, x1 = fit((ny, nx), request.window, request.shape)
        step = thinning((y1 - y0, x1 - x0), request.shape)
        return (y1 - y0) * (x1 - x0) > LARGE_PIXELS * step**2
    sides = [float(ny), float(nx)]
    for axis in (0, 1) if request.points else ():
        places = [point[axis] for point in request.points]
        sides[axis] = min(sides[axis], max(places) - min(places) + 1.0)
    return sides[0] * sides[1] > LARGE_PIXELS


class Asked:
    """One requested map, at full resolution. Raises BadMessage if there is none."""

    def __init__(self, store: Store, request: MapQuestion) -> None:
        self.scan = store.scan(request.cell, request.scan)
        self._request = request
        name, minus = request.name, request.minus
        if minus is not None and name == "pit_labels":
            raise BadMessage(
                "no_map", "pit_labels contains pit numbers, which cannot be subtracted"
            )
        other = None if minus is None else store.scan(request.cell, minus)
        if other is not None:
            _check_alike(self.scan, other)
        names = dict.fromkeys(name for _, name in maps_needed(request))
        scans = [self.scan, *([] if other is None else [other])]
        self._maps = [{name: store.map(scan, name) for name in names} for scan in scans]
        self.shape: tuple[int, int] = self._maps[0][name].shape  # type: ignore[assignment]

    def values(self, pick: Pick) -> NDArray[Any]:
        """The values that `pick` selects from each (ny, nx) map, combined as requested: float32,
        NaN = not measurable or below its error; int32 pit numbers for pit_labels."""
        name, least = self._request.name, self._request.least_errors
        if name == "pit_labels":
            return pick(self._maps[0][name]).astype(np.int32, copy=False)
        pieces = [{key: pick(values) for key, values in maps.items()} for maps in self._maps]
        found = pieces[0][name].astype(np.float32, copy=False)
        if len(pieces) == 2:
            found = found - pieces[1][name]
        if least and len(pieces[0]) > 1:
            errors = [_errors(piece, name) for piece in pieces]
            joint = errors[0] if len(errors) == 1 else np.hypot(errors[0], errors[1])
            found = significant(found, joint, least)
        return found

    def header(self, kind: str) -> AboutMap:
        """Header of every reply about a map."""
        name, unit = self._request.name, self.scan.start.length_unit
        units = "" if name == LABELS.name else MAPS[name].units(unit)
        return about(kind, self.scan, self._request, units)


def about(kind: str, scan: Scan, asked: MapQuestion, units: str) -> AboutMap:
    """Header of every reply about a map of this scan."""
    start = scan.start
    return {
        "type": kind,
        "cell": asked.cell,
        "scan": start.key.scan,
        "name": asked.name,
        "units": units,
        "length_unit": start.length_unit,
        "voxel_size": start.voxel_size,
        "provisional": scan.provisional,
        "minus": asked.minus,
        "least_errors": asked.least_errors,
        "tag": asked.tag,
    }


def _check_alike(scan: Scan, other: Scan) -> None:
    """Raises BadMessage if two scans' maps do not lie on each other pixel by pixel."""
    one, two = scan.start, other.start
    which = f"scan {two.key.scan} cannot be subtracted from scan {one.key.scan}"
    if one.volume_shape[1:] != two.volume_shape[1:]:
        sizes = [f"{start.volume_shape[1]}×{start.volume_shape[2]}" for start in (one, two)]
        raise BadMessage("no_map", f"{which}: their maps have {' and '.join(sizes)} pixels")
    if one.voxel_size_um != two.voxel_size_um:
        raise BadMessage("no_map", f"{which}: their voxel sizes differ")


def _errors(piece: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Standard errors of a map; that of `absolute` is in proportion to that of the removal."""
    errors = piece[DIFFERENCE_ERRORS[name]]
    if name != "absolute":
        return errors
    known = np.isfinite(piece[name]) & np.isfinite(piece["removal"])
    removed = np.abs(piece["removal"][known]).sum(dtype=np.float64)
    current = np.abs(piece[name][known]).sum(dtype=np.float64)
    return errors * np.float32(current / removed if removed else np.nan)


def map_reply(store: Store, request: MapRequest) -> list[Frame]:
    """A window of a map, thinned by an integer step."""
    asked = Asked(store, request)
    y0, y1, x0, x1 = fit(asked.shape, request.window, request.shape)
    step = thinning((y1 - y0, x1 - x0), request.shape)
    part: MapPart = {"window": (y0, y1, x0, x1), "step": step}
    values = asked.values(lambda values: values[y0:y1:step, x0:x1:step])
    return encode_reply({**asked.header("map"), **part}, values)


def profile_reply(store: Store, request: ProfileRequest) -> list[Frame]:
    """A map along a line, interpolated between its pixels."""
    if request.name == "pit_labels":
        raise BadMessage(
            "no_map", "pit_labels contains pit numbers, which cannot be interpolated along a line"
        )
    asked = Asked(store, request)
    rows, columns = along(request.start, request.stop, request.points)
    values = bilinear(lambda y, x: asked.values(lambda m: m[y, x]), asked.shape, rows, columns)
    _, size_y, size_x = asked.scan.start.voxel_size
    away = (request.stop[0] - request.start[0]), (request.stop[1] - request.start[1])
    length = float(np.hypot(away[0] * size_y, away[1] * size_x))
    part: ProfilePart = {"start": request.start, "stop": request.stop, "length": length}
    return encode_reply({**asked.header("profile"), **part}, values)


def statistics_reply(store: Store, request: StatisticsRequest) -> list[Frame]:
    """Numbers and a histogram of a map in a region."""
    if request.name == "pit_labels":
        raise BadMessage("no_map", "pit_labels contains pit numbers, which have no statistics")
    asked = Asked(store, request)
    region = region_of(request.kind, request.points, asked.shape)
    pixels = region.pixels
    if not pixels:
        raise BadMessage("no_region", f"the {request.kind} contains no pixel of the map")
    values = asked.values(lambda m: m[region.part])
    inside = region.only(values)
    known = inside[np.isfinite(inside)]
    with_zero = request.name in CURRENT_MAPS
    edges, counts = histogram(known, request.bins, request.low, request.high, with_zero=with_zero)
    start = asked.scan.start
    tile = tile_px(start)
    error = mean_error(values, region, tile)
    part: StatisticsPart = {
        "kind": request.kind,
        "points": request.points,
        "count": known.size,
        "share": known.size / pixels,
        "area": pixels * start.voxel_size[1] * start.voxel_size[2],
        "mean_error": error,
        "mean_error_why": "" if error is not None else _too_few(tile),
        "pits": _pits_inside(asked.scan, region),
        "edges": edges,
        "counts": counts,
    }
    return encode_reply({**asked.header("statistics"), **part, **describe(known)})


def _too_few(tile: tuple[int, int]) -> str:
    which = f"fewer than two tiles of {tile[0]}×{tile[1]} pixels"
    return f"{which} lie in the region and are measured"


def _pits_inside(scan: Scan, region: Region) -> int:
    """How many pits have their centroid in the region."""
    _, size_y, size_x = scan.start.voxel_size
    return sum(region.holds(pit.y / size_y, pit.x / size_x) for pit in scan.pits)
