"""The views of the window, each in one line: docks, menus, keys, the help and what is asked of the
engine are made from this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from monitor.gui.actions import Action
from monitor.gui.state.queries import Needs, Pixels, Queries, none, queries_of
from monitor.gui.state.snapshot import Choice, Snapshot
from monitor.gui.views import closure, discharge_table, distribution, events, map_profile
from monitor.gui.views.acquisition.view import AcquisitionPanel
from monitor.gui.views.cell import CellPanel
from monitor.gui.views.map import queries as maps
from monitor.gui.views.map.view import MapView
from monitor.gui.views.pits import view as pits
from monitor.gui.views.relief import queries as relief
from monitor.gui.views.relief.view import ReliefView
from monitor.gui.views.section import queries as section
from monitor.gui.views.section.view import SectionView
from monitor.gui.views.timeline.view import TimelineView
from monitor.gui.views.trend import view as trend
from monitor.gui.widgets.paint_queue import Turns
from monitor.gui.widgets.view import View

Area = Literal["maps", "centre", "left", "right", "bottom"]


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """A view's name in the program, its title, how it is made, and its default place.

    Views of the same `place` are stacked, the first of them on top; those with the areas "maps" and
    "centre" are no docks. `key` shows or hides a dock. `queries`: what it asks of the engine while
    it is visible. `needs`: views that are made before and handed to `make`.
    """

    name: str
    title: str
    make: Callable[..., View]
    area: Area
    place: str = ""
    key: str = ""
    queries: Needs = none
    needs: tuple[str, ...] = ()

    @property
    def is_dock(self) -> bool:
        """Whether it can be moved, floated and hidden."""
        return self.area not in ("maps", "centre")


VIEWS: tuple[ViewSpec, ...] = (
    ViewSpec("map", "Map", MapView, "maps", queries=maps.of_shown),
    ViewSpec(
        "pinned", "Pinned", partial(MapView, "pinned"), "maps",
        queries=maps.of_pinned, needs=("map",),
    ),
    ViewSpec("timeline", "Scans", TimelineView, "centre"),
    ViewSpec("cell", "Cell", CellPanel, "left", "left", "F2"),
    ViewSpec("acquisition", "Acquisition", AcquisitionPanel, "left", "left below", "F3"),
    ViewSpec(
        "section", "Cross-section", SectionView, "bottom", "below", "F4", section.queries
    ),
    ViewSpec(
        "profile", "Profile", map_profile.ProfileView, "bottom", "below", "F5", map_profile.queries
    ),
    ViewSpec("trend", "Trend", trend.TrendView, "right", "right", "F6", trend.queries),
    ViewSpec("relief", "Relief", ReliefView, "right", "right", "F7", relief.queries),
    ViewSpec(
        "distribution", "Distribution", distribution.DistributionView, "right", "right", "F8",
        distribution.queries,
    ),
    ViewSpec("closure", "Closure", closure.ClosureView, "right", "right", "Shift+F6"),
    ViewSpec("pits", "Pits", pits.PitsView, "right", "right below", "F9", pits.queries),
    ViewSpec(
        "table", "Thickness", discharge_table.DischargeTableView, "right", "right below", "F10"
    ),
    ViewSpec("events", "Events", events.EventView, "right", "right below", "F11", events.queries),
)  # fmt: skip


def make_views(queue: Turns, *, viewer: bool) -> dict[str, View]:
    """All of them, by their names. `queue`: what they have painted at one of the next turns;
    `viewer`: nothing is ordered from this screen."""
    made: dict[str, View] = {}
    for spec in VIEWS:
        view = made[spec.name] = spec.make(*(made[name] for name in spec.needs))
        view.queue, view.viewer = queue, viewer
    return made


def actions_of(views: tuple[ViewSpec, ...] = VIEWS) -> tuple[Action, ...]:
    """An action for each dock, named after its view."""
    return tuple(
        Action(f"show_{spec.name}", "View", spec.title, spec.key, "Show or hide")
        for spec in views
        if spec.is_dock
    )


def queries(snapshot: Snapshot, choice: Choice, seen: Mapping[str, Pixels]) -> Queries:
    """Requests of the visible views, by name; `seen`: the pixels (rows, columns) that each visible
    view can show."""
    needs = ((spec.queries, seen[spec.name]) for spec in VIEWS if spec.name in seen)
    return queries_of(snapshot, choice, needs)
