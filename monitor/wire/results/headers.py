"""Headers of the replies, as JSON (docs/reference/results.md, Pull); `state` is the
reply about the state.

`columns` are equal-length and named as in a recording. Lengths and areas are in `length_unit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from monitor.records import LengthUnit
from monitor.wire.results.events import StatusEvent
from monitor.wire.results.queries import Window

Columns = Mapping[str, Any]
"""Lists as they travel, or arrays."""


class Header(TypedDict, total=False):
    """What every reply may have. `type`: that of its request, or "error" with the reason in `why`;
    of an order `status` is "sent" or "refused"."""

    type: str
    tag: str
    cell: str
    why: str
    status: str
    shape: Sequence[int]
    dtype: str


class AboutMap(Header, total=False):
    """About a map of a scan: `units` of its values, `voxel_size` (z, y, x), the scan that was
    subtracted (`minus`), and below how many standard errors values are left out."""

    scan: int
    name: str
    units: str
    length_unit: LengthUnit
    voxel_size: tuple[float, float, float]
    provisional: bool
    minus: int | None
    least_errors: float


class Attraction(TypedDict, total=False):
    """How near to grain boundaries the pits are, µm, and pits at random places."""

    mean_um: float
    random_mean_um: float
    p_value: float


class MapPart(TypedDict, total=False):
    """Of `map`, beside what is about the map: the part of it that follows, thinned by `step`; of
    grain boundaries also how the scan's pits lie to them and the error of the landmarks, µm."""

    window: Window
    step: int
    landmark_residual_um: float
    attraction: Attraction | None


class ProfilePart(TypedDict, total=False):
    """Of `profile`: the line, its `length`; `start` and `stop`: (row, column) in pixels."""

    start: Sequence[float]
    stop: Sequence[float]
    length: float


class StatisticsPart(TypedDict, total=False):
    """Of `statistics`: numbers of a map in a region, in its `units`. `count` of measurable pixels,
    their `share`; `pits`: how many have their centroid in it; `edges` and `counts` of a
    histogram."""

    kind: str
    points: Sequence[Sequence[float]]
    count: int
    share: float
    area: float
    mean: float | None
    sd: float | None
    minimum: float | None
    p1: float | None
    p5: float | None
    median: float | None
    p95: float | None
    p99: float | None
    maximum: float | None
    mean_error: float | None
    mean_error_why: str
    pits: int
    edges: Sequence[float]
    counts: Sequence[int]


class SectionHeader(Header, total=False):
    """A vertical cut; `scan` None: of the latest."""

    scan: int | None
    axis: str
    index: int
    step: int


class TableHeader(Header, total=False):
    """`columns` of a table, or the `names` of the rows of the array that follows. Of the history of
    a `pit`: if it came from (-1: from none) and what split from it. Of a channel: its `name` and
    `units`."""

    name: str
    units: str
    scan: int
    columns: Columns
    names: Sequence[str]
    pit: int
    first_scan: int
    parent: int
    children: Sequence[int]
    length_unit: LengthUnit


class EventsHeader(Header, total=False):
    """Events, oldest first; `more`: there are older ones that fit."""

    more: bool
    events: Sequence[StatusEvent]


class ReplyHeader(
    AboutMap, MapPart, ProfilePart, StatisticsPart, TableHeader, EventsHeader, total=False
):
    """A reply as it is received: of which kind says its `type`."""

    axis: str
    index: int
