"""The map of one scan, seen from above: heights or current densities, pits, crosshair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QPushButton

from monitor.gui import theme
from monitor.gui.model import (
    MAP_HELP,
    MAP_NAMES,
    MAP_TITLES,
    Answer,
    Choice,
    Snapshot,
    crosshair,
    shown_scan,
)
from monitor.gui.parts import Card, CentreText, ScaleBar, elastic, label, quiet, style_axes
from monitor.gui.text import number

UNIT_TEXT = {"mA/cm2": "mA/cm²"}
CROSS = "#ffd84d"


class MapView(Card):
    """Draws the map; tells which map, which point and which window the operator wants."""

    map_chosen = Signal(str)
    cross_moved = Signal(int, int)
    window_wanted = Signal(object)
    outlines_chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__("Map", "Seen along z; columns along x, rows along y")
        self._drawn: tuple[Any, ...] = ()
        self._drawn_labels: Answer | None = None
        self._held: dict[str, tuple[float, float]] = {}
        self._scan: Any = None
        self._home: tuple[Any, ...] = ()
        self._moving = False
        self._make_controls()
        self._make_plot()
        self.readout = elastic(label("", "muted", "Value under the crosshair; drag it, or click"))
        self.body.addWidget(self.readout)
        self._range_timer = QTimer(self, singleShot=True, interval=150)
        self._range_timer.timeout.connect(self._tell_window)

    def _make_controls(self) -> None:
        self.selector = QComboBox()
        for index, name in enumerate(MAP_NAMES):
            self.selector.addItem(name.replace("_", " "), name)
            self.selector.setItemData(index, MAP_HELP[name], 3)
        self.selector.activated.connect(lambda i: self.map_chosen.emit(MAP_NAMES[i]))
        self.outlines = QCheckBox("Pits")
        self.outlines.setToolTip("Outline of every significant pit")
        self.outlines.setChecked(True)
        self.outlines.toggled.connect(self.outlines_chosen)
        self.hold = QCheckBox("Hold scale")
        self.hold.setToolTip(
            "Keep the colour scale while going through the scans, so that\ncolours compare"
        )
        home = QPushButton("Whole")
        home.setToolTip("Show the whole map (the wheel zooms, dragging moves)")
        home.clicked.connect(self._show_whole)
        self.caption = elastic(label())
        quiet(self.selector, self.outlines, self.hold, home)
        self.head.addWidget(self.selector)
        self.head.addWidget(self.caption, 1)
        for widget in (self.outlines, self.hold, home):
            self.head.addWidget(widget)

    def _make_plot(self) -> None:
        graphics = pg.GraphicsLayoutWidget()
        graphics.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.plot = graphics.addPlot()
        style_axes(self.plot, "left", "bottom")
        self.plot.vb.setAspectLocked(True)
        self.plot.vb.setBackgroundColor(theme.EMPTY)
        self.ground = pg.ImageItem(axisOrder="row-major")
        self.ground.setImage(np.ones((1, 1, 3), np.uint8) * theme.NO_DATA, levels=None)
        self.plot.addItem(self.ground)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.rims = pg.ImageItem(axisOrder="row-major")
        self.rims.setZValue(5)
        self.plot.addItem(self.image)
        self.plot.addItem(self.rims)
        self.bar = pg.ColorBarItem(values=(0, 1), width=14, interactive=True, rounding=0.01)
        self.bar.setImageItem(self.image, insert_in=self.plot)
        style_axes(self.bar, "right")
        pen, hover = pg.mkPen(CROSS, width=1), pg.mkPen(CROSS, width=3)
        self.across = pg.InfiniteLine(angle=0, movable=True, pen=pen, hoverPen=hover)
        self.down = pg.InfiniteLine(angle=90, movable=True, pen=pen, hoverPen=hover)
        for line in (self.across, self.down):
            line.setZValue(10)
            self.plot.addItem(line, ignoreBounds=True)
            line.sigDragged.connect(self._dragged)
        self.scale = ScaleBar(self.plot)
        self.message = CentreText(self.plot)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.plot.vb.sigRangeChanged.connect(lambda *_: self._range_timer.start())
        self.body.addWidget(graphics, 1)

    @property
    def pixels(self) -> tuple[int, int]:
        """(rows, columns) that the plot can show, in steps so that a resize asks seldom."""
        size = self.plot.vb.size()
        return tuple(max(64, math.ceil(s / 64) * 64) for s in (size.height(), size.width()))  # type: ignore[return-value]

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest map of what was chosen."""
        cell = snapshot.cell(choice.cell)
        scan = shown_scan(cell, choice)
        self._scan = scan
        self.selector.setCurrentIndex(MAP_NAMES.index(choice.map))
        self.outlines.setChecked(choice.outlines)
        problem = self._problem(snapshot, scan, choice)
        self.message.set(problem)
        answer = snapshot.answer("map", choice.cell)
        shown = not problem and answer is not None and answer.array is not None
        for item in (self.image, self.ground, self.across, self.down, self.bar):
            item.setVisible(shown)
        self.scale.set_visible(shown)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setVisible(shown)
        self.rims.setVisible(shown and choice.outlines)
        self.caption.setText(_caption(scan, snapshot, choice) if scan else "")
        if not shown or answer is None or scan is None:
            self.readout.setText("")
            return
        if (answer.header["scan"], answer.header["name"]) != (scan["scan"], choice.map):
            self.caption.setText(f"Fetching {choice.map.replace('_', ' ')} of scan {scan['scan']}")
            return
        self._draw_image(answer, choice)
        labels = snapshot.answer("labels", choice.cell)
        self._draw_rims(labels)
        self._draw_cross(scan, choice)
        pits = snapshot.answer("pits", choice.cell)
        text = [_value_text(answer, scan, choice), _pit_text(labels, pits, scan, choice)]
        self.readout.setText(" &nbsp;·&nbsp; ".join(part for part in text if part))

    def _problem(self, snapshot: Snapshot, scan: Any, choice: Choice) -> str:
        if snapshot.state is None:
            return f"Waiting for the engine at {snapshot.address}"
        if not snapshot.state["feeds"]:
            return "The engine is compiling its kernels,<br>once on this machine: half a minute"
        if scan is None:
            running = (snapshot.cell(choice.cell) or {}).get("running")
            if running:
                return f"Waiting for the first map of scan {running['scan']}"
            sources = ", ".join(snapshot.state["settings"].get("slices") or ())
            source = f"<br>its slices are expected from {sources}" if sources else ""
            return f"Waiting for the first scan of cell {choice.cell}{source}"
        if choice.map not in scan["maps"]:
            return f"Scan {scan['scan']}: {_absent(choice.map, scan)}"
        answer = snapshot.answer("map", choice.cell)
        if answer is not None and answer.error:
            return answer.error
        return ""

    def _draw_image(self, answer: Answer, choice: Choice) -> None:
        drawn = (answer, self.hold.isChecked())
        if drawn == self._drawn:
            return
        self._drawn = drawn
        header, array = answer.header, answer.array
        assert array is not None
        name, unit = header["name"], header["units"]
        levels = self._held.get(name) if self.hold.isChecked() else None
        levels = levels or answer.levels or (0.0, 1.0)
        if not self.hold.isChecked():
            self._held.clear()
        self._held.setdefault(name, levels)
        self.image.setImage(array, autoLevels=False, levels=levels)
        self.image.setRect(_extent(header, array.shape))
        self.ground.setRect(_extent(header, array.shape))
        self.bar.setColorMap(theme.colour_map(name))
        span = levels[1] - levels[0]
        self.bar.rounding = max(span / 200, 1e-6)
        self.bar.setLevels(levels)
        self.bar.setLabel("right", f"{name.replace('_', ' ')} / {UNIT_TEXT.get(unit, unit)}")
        length_unit = header["length_unit"]
        for side, axis in (("bottom", "x"), ("left", "y")):
            self.plot.setLabel(side, f"{axis} / {length_unit}")
        self.scale.set_unit(length_unit)
        home = (choice.cell, tuple(self._scan["shape"]), length_unit)
        if home != self._home:
            self._home = home
            self._show_whole()

    def _draw_rims(self, labels: Answer | None) -> None:
        if labels is self._drawn_labels:
            return
        self._drawn_labels = labels
        if labels is None or labels.array is None:
            self.rims.clear()
            return
        self.rims.setImage(labels.array, levels=None, autoLevels=False)
        self.rims.setRect(_extent(labels.header, labels.array.shape[:2]))

    def _draw_cross(self, scan: Any, choice: Choice) -> None:
        row, column = crosshair(scan, choice)
        self._moving = True
        self.across.setPos(row * scan["voxel_size"][1])
        self.down.setPos(column * scan["voxel_size"][2])
        self._moving = False

    def _dragged(self, *_: Any) -> None:
        if not self._moving:
            self._tell_cross(self.down.value(), self.across.value())

    def _clicked(self, event: Any) -> None:
        if self._scan is not None and self.plot.vb.sceneBoundingRect().contains(event.scenePos()):
            point = self.plot.vb.mapSceneToView(event.scenePos())
            self._tell_cross(point.x(), point.y())

    def _tell_cross(self, x: float, y: float) -> None:
        if self._scan is not None:
            _, vy, vx = self._scan["voxel_size"]
            ny, nx = self._scan["shape"]
            row, column = round(y / vy), round(x / vx)
            self.cross_moved.emit(min(max(row, 0), ny - 1), min(max(column, 0), nx - 1))

    def _show_whole(self) -> None:
        if self._scan is not None:
            ny, nx = self._scan["shape"]
            _, vy, vx = self._scan["voxel_size"]
            self.plot.setRange(QRectF(-0.5 * vx, -0.5 * vy, nx * vx, ny * vy), padding=0.01)

    def _tell_window(self) -> None:
        """The part of the map in view, None where that is all of it."""
        if self._scan is None:
            return
        (x0, x1), (y0, y1) = self.plot.vb.viewRange()
        ny, nx = self._scan["shape"]
        _, vy, vx = self._scan["voxel_size"]
        rows = max(0, math.floor(y0 / vy)), min(ny, math.ceil(y1 / vy) + 1)
        columns = max(0, math.floor(x0 / vx)), min(nx, math.ceil(x1 / vx) + 1)
        whole = (*rows, *columns) == (0, ny, 0, nx)
        empty = rows[0] >= rows[1] or columns[0] >= columns[1]
        self.window_wanted.emit(None if whole or empty else (*rows, *columns))


def _extent(header: Any, shape: tuple[int, ...]) -> QRectF:
    """Where an image lies: pixel centres at index × voxel size."""
    y0, _, x0, _ = header["window"]
    _, vy, vx = header["voxel_size"]
    step = header["step"]
    return QRectF((x0 - 0.5) * vx, (y0 - 0.5) * vy, shape[1] * step * vx, shape[0] * step * vy)


def _caption(scan: Any, snapshot: Snapshot, choice: Choice) -> str:
    text = f"<b>Scan {scan['scan']}</b> · {MAP_TITLES[choice.map]}"
    if scan["provisional"]:
        running = (snapshot.cell(choice.cell) or {}).get("running") or {}
        text += f" <span style='color:{theme.WARN}'>· provisional"
        if running.get("slices"):
            text += f", {running['received']} of {running['slices']} slices"
        text += "</span>"
    elif not scan["complete"]:
        missing = scan.get("slices_missing")
        text += f" <span style='color:{theme.WARN}'>· {missing or 'some'} slices missing</span>"
    return text


def _absent(name: str, scan: Any) -> str:
    if scan["provisional"]:
        return f"{name.replace('_', ' ')} comes with the last slice"
    if name == "interval":
        return "no interval current: it needs a scan before, and a current that flows"
    if name in ("cumulative", "absolute", "running"):
        return "no current density: it needs the reference scan and the cycler's charge"
    return f"no map of {name.replace('_', ' ')}"


def _value_text(answer: Answer, scan: Any, choice: Choice) -> str:
    row, column = crosshair(scan, choice)
    _, vy, vx = scan["voxel_size"]
    unit = scan["length_unit"]
    digits = 1 if unit == "µm" else 0
    value = _at(answer.array, answer.header, row, column)
    value_unit = UNIT_TEXT.get(answer.header["units"], answer.header["units"])
    text = "not measurable here" if value is None else number(value, 2, value_unit)
    where = f"x {column * vx:.{digits}f}, y {row * vy:.{digits}f} {unit}"
    return f"{where} &nbsp;·&nbsp; <b style='color:{CROSS}'>{text}</b>"


def _pit_text(labels: Answer | None, pits: Answer | None, scan: Any, choice: Choice) -> str:
    """The pit under the crosshair, if there is one."""
    if labels is None or pits is None:
        return ""
    pit = _at(labels.header.get("labels"), labels.header, *crosshair(scan, choice))
    columns = pits.header.get("columns", {})
    if not pit or pit not in columns.get("id", []):
        return ""
    i = columns["id"].index(pit)
    unit = scan["length_unit"]
    word = "um" if unit == "µm" else "voxel"
    depth, width = columns[f"depth_max_{word}"][i], columns[f"diameter_{word}"][i]
    return (
        f"pit {int(pit)}: {number(depth)} {unit} deep, {number(width)} {unit} wide, "
        f"since scan {columns['first_scan'][i]}"
    )


def _at(array: Any, header: Any, row: int, column: int) -> float | None:
    """The value at a pixel of the whole map; None outside the window or where not measurable."""
    if array is None:
        return None
    y0, y1, x0, x1 = header["window"]
    if not (y0 <= row < y1 and x0 <= column < x1):
        return None
    value = float(array[(row - y0) // header["step"], (column - x0) // header["step"]])
    return value if np.isfinite(value) else None
