"""The map of one scan, seen from above: heights or current densities, pits, crosshair, regions."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, QTimer
from PySide6.QtWidgets import QComboBox

from monitor.gui.actions import Handlers, with_keys
from monitor.gui.formatting import as_is
from monitor.gui.state.health import fetching
from monitor.gui.state.snapshot import (
    MAP_NAMES,
    Answer,
    Choice,
    Snapshot,
    crosshair,
    pinned_scan,
    shown_scan,
)
from monitor.gui.views.map.contents import problem_of, shared_levels, what
from monitor.gui.views.map.controls import TOOLS, MapControls
from monitor.gui.views.map.overlay import GrainOverlay, PitOverlay, extent
from monitor.gui.views.map.tools import MapTools, Tool
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import elastic, label, leave_height, quiet
from monitor.gui.widgets.plain_text import RichLabel, plain, set_tip
from monitor.gui.widgets.plot import (
    Plot,
    ScaleBar,
    name_axis,
    set_scale,
    style_axes,
)
from monitor.gui.widgets.view import View, copy_text, menu_of
from monitor.gui.wording import map_captions
from monitor.quantities.quantity import shown_unit
from monitor.quantities.table import MAPS, PIT_COLUMNS
from monitor.wire.results.cells import Scan

LEAST_SIDE = 40
AROUND_PIT, MAX_PAST = 4.0, 50
"""Size of the view in diameters of a pit that is zoomed to; number of previous views that are
kept."""
LONG, NARROW_PX, ANY_WIDTH = len(MAPS["cumulative"].title), 84, 2**24 - 1
"""Characters that the selector has room for; its width beside another map, at the default text
size."""
FIXED_WIDTH = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
READOUT_HELP = (
    "Value with its standard error, under the mouse, or at the crosshair if the mouse is\n"
    "elsewhere; click, or drag the crosshair, to move it.\n"
    "With Grains: mean distance of the pits to the nearest grain boundary, that of as many random\n"
    "points, and the probability that random points are as near"
)


class Readout(RichLabel):
    """Lines of a fixed height, whatever they say: a map is never redrawn at another size for it."""

    def hasHeightForWidth(self) -> bool:
        return False


class MapView(View):
    """Draws the map; emits which map, which point and which window the operator chose.

    `side` is "map" for the shown scan, or "pinned" for the one that it is compared with, which has
    no controls of its own.
    """

    def __init__(self, side: str = "map", beside: MapView | None = None) -> None:
        super().__init__(
            "Map" if side == "map" else "Pinned", "Seen along z; columns along x, rows along y"
        )
        self._side = side
        self._drawn: tuple[Any, ...] = ()
        self._scan: Any = None
        self._choice = Choice()
        self._labels: Answer | None = None
        self._pits: Answer | None = None
        self._past: list[tuple[QRectF, bool]] = []
        self._answer: Answer | None = None
        self._error: Answer | None = None
        self._grains = ""
        self._pointed: tuple[int, int] | None = None
        self._home: tuple[Any, ...] = ()
        self._moving = False
        self._is_whole = True
        self._follower: MapView | None = None
        self.caption = elastic(label(rich=True))
        self.selector = QComboBox()
        self._make_plot()
        self._make_controls()
        self.readout = elastic(Readout())
        self.readout.setObjectName("muted")
        set_tip(self.readout, READOUT_HELP)
        self.readout.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.body.addWidget(self.graphics, 1)
        self.body.addWidget(self.readout)
        self._range_timer = QTimer(self, singleShot=True, interval=150)
        self._range_timer.timeout.connect(self._tell_window)
        self.restyle()
        if beside is not None:
            beside.link(self)

    def _make_controls(self) -> None:
        for index, name in enumerate(MAP_NAMES):
            self.selector.addItem(map_captions.map_title(name), name)
            self.selector.setItemData(index, MAPS[name].help, Qt.ItemDataRole.ToolTipRole)
        set_tip(self.selector, with_keys("Map to show", "next_map", "previous_map"))
        self.selector.setSizeAdjustPolicy(FIXED_WIDTH)
        self.selector.setMinimumContentsLength(LONG)
        self.selector.setMinimumWidth(1)
        self.selector.activated.connect(lambda i: self.map_chosen.emit(MAP_NAMES[i]))
        quiet(self.selector)
        self.controls = MapControls()
        self.controls.whole_wanted.connect(self.show_whole)
        self.controls.tool_wanted.connect(self.use_tool)
        self.controls.switched.connect(self.switched)
        self.tools.region_drawn.connect(self.region_drawn)
        self.tools.line_drawn.connect(self.line_drawn)
        self.head.addWidget(self.selector)
        self.body.addWidget(self.controls)
        if self._side != "map":
            # their heights are kept: both maps begin alike
            leave_height(self.selector, self.controls)
        self.head.addWidget(self.caption, 1)

    def _make_plot(self) -> None:
        self.graphics = Plot()
        self.plot = self.graphics.plot
        self.plot.vb.setAspectLocked(True)
        self.ground = pg.ImageItem(axisOrder="row-major")
        self.image = pg.ImageItem(axisOrder="row-major")
        # what lies around the part in view, coarsely: seen while that is on its way
        self.around = pg.ImageItem(axisOrder="row-major")
        for item in (self.ground, self.around, self.image):
            self.plot.addItem(item)
        self.bar_scale = pg.ColorBarItem(values=(0, 1), width=14, interactive=True, rounding=0.01)
        self.bar_scale.setImageItem([self.image, self.around], insert_in=self.plot)
        self.across = pg.InfiniteLine(angle=0, movable=True)
        self.down = pg.InfiniteLine(angle=90, movable=True)
        for line in (self.across, self.down):
            line.setZValue(10)
            self.plot.addItem(line, ignoreBounds=True)
            line.sigDragged.connect(self._dragged)
        self.grains = GrainOverlay(self.plot)
        self.overlay = PitOverlay(self.plot)
        self.tools = MapTools(self.plot)
        self.scale = ScaleBar(self.plot)
        self.message = self.graphics.message
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.plot.scene().sigMouseMoved.connect(self._point)
        self.plot.vb.sigRangeChanged.connect(lambda *_: self._range_timer.start())
        self.plot.vb.sigRangeChangedManually.connect(lambda *_: self._moved())
        self.plot.vb.sigResized.connect(lambda *_: self._resized())

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        style_axes(self.bar_scale, "right")
        self.ground.setImage(np.ones((1, 1, 3), np.uint8) * theme.rgb(c.no_data), levels=None)
        for line in (self.across, self.down):
            line.setPen(theme.pen(c.cross))
            line.setHoverPen(theme.pen(c.cross, 3))
        self.overlay.restyle()
        self._drawn = ()

    @property
    def pixels(self) -> tuple[int, int]:
        """(rows, columns) that the plot can show, in steps, so that a resize rarely causes a new
        request."""
        size, ratio = self.plot.vb.size(), self.devicePixelRatioF()
        rows, columns = (
            max(64, math.ceil(s * ratio / 64) * 64) for s in (size.height(), size.width())
        )
        return rows, columns

    def handlers(self) -> Handlers:
        if self._side != "map":
            return {}
        tools: Handlers = {tool: partial(self.toggle_tool, tool) for tool, _, _ in TOOLS}
        return {
            "whole_map": self.show_whole,
            "zoom_to_pit": self.zoom_to_pit,
            "zoom_back": self.zoom_back,
            **tools,
        }

    def is_wanted(self, choice: Choice) -> bool:
        return self._side == "map" or choice.comparison == "beside"

    def use_tool(self, tool: Tool) -> None:
        """Puts a shape on the map, or removes it."""
        self.controls.mark(tool)
        self.tools.use(tool, self._scan)

    def toggle_tool(self, tool: Tool) -> None:
        """The same, but removes a shape that is already there."""
        self.use_tool("none" if self.tools.tool == tool else tool)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest map of what was chosen."""
        cell = snapshot.cell(choice.cell)
        is_main = self._side == "map"
        scan = shown_scan(cell, choice) if is_main else pinned_scan(cell, choice)
        self._scan, self._choice = scan, choice
        self.selector.setCurrentIndex(MAP_NAMES.index(choice.map))
        narrow = is_main and choice.comparison == "beside"
        self.controls.narrow(narrow)
        self._wrap_readout(choice.comparison == "beside")
        if is_main:
            self.selector.setMaximumWidth(theme.px(NARROW_PX) if narrow else ANY_WIDTH)
        self.controls.draw(choice, grains=bool(cell and cell.get("grain_boundaries")))
        answer = snapshot.answer(self._side, choice.cell)
        problem = problem_of(self._side, snapshot, scan, choice, answer)
        self.message.set(problem)
        shown = not problem and answer is not None and answer.array is not None
        self._show_parts(shown, beside=choice.comparison == "beside")
        minus = answer.header.get("minus") if shown and answer is not None else None
        self.caption.setText(map_captions.caption(scan, snapshot, choice, minus) if scan else "")
        if not shown or answer is None or scan is None:
            self._answer = None
            self._tell()
            self.overlay.hide()
            self.grains.hide()
            return
        if (answer.header["scan"], answer.header["name"]) != (scan["scan"], choice.map):
            self.caption.setText(as_is(fetching(snapshot, what(choice, scan))))
            return
        around = snapshot.answer(f"{self._side}_around", choice.cell)
        self._draw_image(answer, around, shared_levels(snapshot, choice), choice)
        self._draw_cross(scan, choice)
        labels, pits, error = (
            snapshot.answer_on(scan, f"{self._side}_{what}", choice.cell)
            for what in ("labels", "pits", "error")
        )
        self._labels, self._pits = labels, pits
        self._answer, self._error = answer, error if minus is None else None
        self.overlay.draw(labels, pits, scan, choice)
        grains = snapshot.answer(f"{self._side}_grains", choice.cell) if choice.grains else None
        if grains and not grains.error and grains.header.get("scan") != scan["scan"]:
            grains = None
        self.grains.draw(grains, choice)
        self._grains = map_captions.grains_text(grains)
        self._tell()

    def _wrap_readout(self, wrapped: bool) -> None:
        """Beside another map, the line below is narrow: it has three then, in both maps alike."""
        if wrapped != self.readout.wordWrap():
            self.readout.setWordWrap(wrapped)
            high = 3 * self.readout.fontMetrics().lineSpacing() + 2
            self.readout.setMinimumHeight(high if wrapped else 0)
            self.readout.setMaximumHeight(high if wrapped else ANY_WIDTH)

    def _tell(self) -> None:
        """Value and pit under the mouse, or under the crosshair if the mouse is elsewhere."""
        answer, scan, choice = self._answer, self._scan, self._choice
        if answer is None or scan is None:
            self.readout.setText("")
            return
        place = self._pointed or crosshair(scan, choice)
        pit = map_captions.pit_at(self._labels, place)
        texts = (
            map_captions.value_text(answer, scan, choice, self._error, place),
            as_is(map_captions.pit_text(pit, self._pits, scan)),
            as_is(self._grains),
        )
        self.readout.setText(" · ".join(text for text in texts if text))

    def _point(self, at: QPointF | None) -> None:
        """The pixel (row, column) at a place of the scene; None for the crosshair's."""
        point = None if at is None or self._scan is None else self.graphics.place(at)
        self._pointed = None
        if point is not None:
            _, vy, vx = self._scan["voxel_size"]
            row, column = round(point.y() / vy), round(point.x() / vx)
            ny, nx = self._scan["shape"]
            if 0 <= row < ny and 0 <= column < nx:
                self._pointed = row, column
        self._tell()

    def leaveEvent(self, event: QEvent) -> None:
        """Shows the value at the crosshair once the mouse has left."""
        super().leaveEvent(event)
        self._point(None)

    def _show_parts(self, shown: bool, *, beside: bool) -> None:
        """`beside`: two maps share the y axis of the left one and the colour scale of the right."""
        parts = (self.image, self.around, self.ground, self.across, self.down)
        for item in parts:
            item.setVisible(shown)
        self.tools.set_visible(shown)
        self.scale.set_visible(shown)
        self.graphics.show_axes(shown)
        is_main = self._side == "map"
        self.bar_scale.setVisible(shown and (is_main or not beside))
        self.plot.getAxis("left").setVisible(shown and not (is_main and beside))

    def _draw_image(
        self,
        answer: Answer,
        around: Answer | None,
        shared: tuple[float, float] | None,
        choice: Choice,
    ) -> None:
        levels = shared or (answer.levels or (0.0, 1.0))
        drawn = (answer, around, levels, choice.colours)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        header, array = answer.header, answer.array
        assert array is not None
        name, unit = header["name"], header["units"]
        difference = header.get("minus") is not None
        if difference:
            end = max(abs(levels[0]), abs(levels[1]))
            levels = (-end, end)
        self.image.setImage(array, autoLevels=False, levels=levels)
        self.image.setRect(extent(header, array.shape))
        if around is not None and around.array is not None and choice.window is not None:
            self.around.setImage(around.array, autoLevels=False, levels=levels)
            self.around.setRect(extent(around.header, around.array.shape))
        else:
            self.around.clear()
        ny, nx = self._scan["shape"]
        _, vy, vx = header["voxel_size"]
        self.ground.setRect(QRectF(-0.5 * vx, -0.5 * vy, nx * vx, ny * vy))
        colours = theme.colour_map(name, choice.colours, difference=difference)
        self.bar_scale.rounding = max((levels[1] - levels[0]) / 200, 1e-6)
        set_scale(self.bar_scale, colours, levels)
        # which map it is is above; here, its title would be cut
        name_axis(self.bar_scale, "right", f"{'Δ / ' if difference else ''}{shown_unit(unit)}")
        length_unit = header["length_unit"]
        for side, axis in (("bottom", "x"), ("left", "y")):
            name_axis(self.plot, side, f"{axis} / {length_unit}")
        self.scale.set_unit(length_unit)
        home = (choice.cell, tuple(self._scan["shape"]), length_unit)
        if home != self._home:
            self._home = home
            self._past = []
            if self._side == "map":
                self.show_whole()

    def _draw_cross(self, scan: Scan, choice: Choice) -> None:
        row, column = crosshair(scan, choice)
        self._moving = True
        self.across.setPos(row * scan["voxel_size"][1])
        self.down.setPos(column * scan["voxel_size"][2])
        self._moving = False

    def _dragged(self, *_: Any) -> None:
        if not self._moving and self._scan is not None:
            self._tell_cross(self.down.value(), self.across.value())

    def _clicked(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.RightButton:
            self._offer(event.screenPos().toPoint())
            return
        point = self.graphics.place(event.scenePos())
        if self._scan is None or point is None:
            return
        place = self._tell_cross(point.x(), point.y())
        self.pit_chosen.emit(map_captions.pit_at(self._labels, place))

    def _offer(self, at: QPoint) -> None:
        """What can be copied and kept, of the place under the mouse and of the view."""
        menu = menu_of(self)
        text = plain(self.readout.text())
        menu.addAction(f"Copy “{text}”", lambda: copy_text(text)).setEnabled(bool(text))
        self.offer(menu)
        menu.popup(at)

    def _tell_cross(self, x: float, y: float) -> tuple[int, int]:
        """The pixel (row, column) at a point of the map, where the crosshair goes."""
        _, vy, vx = self._scan["voxel_size"]
        ny, nx = self._scan["shape"]
        row, column = round(y / vy), round(x / vx)
        place = min(max(row, 0), ny - 1), min(max(column, 0), nx - 1)
        self.cross_moved.emit(*place)
        return place

    def link(self, other: MapView) -> None:
        """Shows the same part in both maps from now on: if one is moved, the other follows."""
        self._follower, other._follower = other, self
        self.plot.vb.sigRangeChanged.connect(lambda *_: other.follow(self))

    def follow(self, other: MapView) -> None:
        """Shows the same middle as the other, at the same scale."""
        own = self.plot.vb.size()
        if not (self.isVisible() and other.isVisible()) or min(own.toTuple()) < LEAST_SIDE:
            return
        x, y = other.plot.vb.viewPixelSize()
        part = QRectF(0, 0, x * own.width(), y * own.height())
        part.moveCenter(other.plot.vb.viewRect().center())
        self.plot.setRange(part, padding=0)

    def _moved(self) -> None:
        """By the mouse: from now on it is not the whole map that is wanted."""
        self._is_whole = False
        if self._side != "map" and self._follower is not None:
            self._follower._is_whole = False
            self._follower.follow(self)

    def _resized(self) -> None:
        if self._side != "map" and self._follower is not None:
            self.follow(self._follower)
        elif self._is_whole:
            self.show_whole()

    def show_whole(self) -> None:
        """Shows the whole map."""
        self._is_whole = True
        if self._scan is not None:
            ny, nx = self._scan["shape"]
            _, vy, vx = self._scan["voxel_size"]
            self.plot.setRange(QRectF(-0.5 * vx, -0.5 * vy, nx * vx, ny * vy), padding=0.01)

    def zoom_to_pit(self) -> None:
        """Zooms to the chosen pit, or the one at the crosshair, with its surroundings."""
        columns = self._pits.columns if self._pits else {}
        pit = self._choice.pit
        if pit is None and self._scan is not None:
            pit = map_captions.pit_at(self._labels, crosshair(self._scan, self._choice))
        if pit in columns.get("id", ()):
            at, unit = columns["id"].index(pit), self._scan["length_unit"]
            x, y, wide = (columns[PIT_COLUMNS[n].key(unit)][at] for n in ("x", "y", "diameter"))
            self._is_whole = False
            side = AROUND_PIT * wide
            self.plot.setRange(QRectF(x - side / 2, y - side / 2, side, side), padding=0)

    def zoom_back(self) -> None:
        """Shows the part that was visible before."""
        if len(self._past) > 1:
            self._past.pop()
            part, self._is_whole = self._past.pop()
            self.plot.setRange(part, padding=0)

    def _note(self) -> None:
        """Remembers the part in view; the whole map counts once, however large it is drawn."""
        if self._past and (self._is_whole and self._past[-1][1]):
            self._past.pop()
        self._past = [*self._past[-MAX_PAST:], (self.plot.vb.viewRect(), self._is_whole)]

    def _tell_window(self) -> None:
        """The part of the map in view, None if that is all of it."""
        if self._scan is None or self._side != "map":
            return
        self._note()
        (x0, x1), (y0, y1) = self.plot.vb.viewRange()
        ny, nx = self._scan["shape"]
        _, vy, vx = self._scan["voxel_size"]
        rows = max(0, math.floor(y0 / vy)), min(ny, math.ceil(y1 / vy) + 1)
        columns = max(0, math.floor(x0 / vx)), min(nx, math.ceil(x1 / vx) + 1)
        whole = (*rows, *columns) == (0, ny, 0, nx)
        empty = rows[0] >= rows[1] or columns[0] >= columns[1]
        self.window_wanted.emit(None if whole or empty else (*rows, *columns))
