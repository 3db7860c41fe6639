"""The relief in three dimensions. Only to be imported where `why_no_opengl` has found nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
import pyqtgraph.opengl as gl
from numpy.typing import NDArray
from pyqtgraph.opengl import shaders
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QMouseEvent, QResizeEvent, QVector3D, QWheelEvent

from monitor.gui.views.relief.shading import Colours, Look, Surface
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.plain_text import visible

FIELD_OF_VIEW = 30.0
ELEVATION, AZIMUTH = 42.0, -62.0
CROSS_LIFT = 0.004
"""The crosshair lies above the surface by this share of its width, so that it is visible."""

BOX = np.array(
    [
        [(0, 0, 0), (1, 0, 0)],
        [(1, 0, 0), (1, 1, 0)],
        [(1, 1, 0), (0, 1, 0)],
        [(0, 1, 0), (0, 0, 0)],
        [(0, 0, 0), (0, 0, 1)],
        [(1, 0, 0), (1, 0, 1)],
        [(1, 1, 0), (1, 1, 1)],
        [(0, 1, 0), (0, 1, 1)],
        [(0, 0, 1), (1, 0, 1)],
        [(1, 0, 1), (1, 1, 1)],
        [(1, 1, 1), (0, 1, 1)],
        [(0, 1, 1), (0, 0, 1)],
    ],
    np.float32,
).reshape(-1, 3)
"""The edges of a unit cube, two ends each."""

BESIDE = (
    Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight,
    Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft,
    Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
)
"""Position of the lengths of x, y and z relative to their edges."""


class Camera(gl.GLViewWidget):  # type: ignore[misc] # pyqtgraph has no types
    """A view that is turned with the left button, moved with the right one, zoomed with the wheel.

    `begin` makes what is to be visible; it is called with each new context, for what an old one
    held is lost with it (a dock that is torn off gets another).
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self.touched = False
        self.fit: Callable[[], None] = lambda: None
        super().__init__()
        quiet(self)
        self.setMinimumSize(64, 64)

    def sizeHint(self) -> QSize:
        """As large as there is room."""
        return QSize(320, 240)

    def initializeGL(self) -> None:
        """A new context: programs and buffers of the one before mean nothing in it."""
        for program in shaders.ShaderProgram.names.values():
            program.prog = None
        gl.GLLinePlotItem._shaderProgram = None
        self.items.clear()
        super().initializeGL()
        self._begin()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begins to turn or to move."""
        self.touched = True
        super().mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nearer or farther."""
        self.touched = True
        super().wheelEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Turns, or moves what is visible along the screen."""
        if event.buttons() & Qt.MouseButton.RightButton:
            at = event.position()
            by = at - getattr(self, "mousePos", at)
            self.mousePos = at
            self.pan(by.x(), by.y(), 0, relative="view")
        else:
            super().mouseMoveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Shows everything again."""
        self.fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keeps the whole in view until someone has turned to a part of it."""
        super().resizeEvent(event)
        if not self.touched:
            self.fit()


class Scene:
    """The surface, the box around it, its lengths, and the crosshair on it."""

    def __init__(self) -> None:
        self._shown: tuple[Surface, Colours, Look, str] | None = None
        self._cross: tuple[float, float] | None = None
        self._stretch = 1
        self.widget = Camera(self._make_items)
        self.widget.fit = self.show_whole
        set_tip(
            self.widget,
            "Drag to turn, right-drag to move, wheel to zoom, double-click to show all",
        )
        self._make_items()

    def _make_items(self) -> None:
        # the light is in the colours: without normals, and with shared corners, a surface of
        # 320 × 320 points is drawn in a few milliseconds
        self.surface = gl.GLSurfacePlotItem(shader=None, smooth=True, computeNormals=False)
        self.box, self.row, self.column = (
            gl.GLLinePlotItem(glOptions="translucent", antialias=True) for _ in range(3)
        )
        self.box.setData(mode="lines")
        self.lengths = [gl.GLTextItem(alignment=beside) for beside in BESIDE]
        items = (self.surface, self.box, self.row, self.column, *self.lengths)
        for depth, item in enumerate(items):
            item.setDepthValue(depth)
            item.setVisible(False)
            self.widget.addItem(item)
        self.restyle()
        if self._shown is not None:
            self.show_surface(*self._shown)
        if self._cross is not None:
            self.show_cross(*self._cross)

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.widget.setBackgroundColor(c.empty)
        self.box.setData(color=pg.mkColor(c.muted), width=1)
        for line in (self.row, self.column):
            line.setData(color=pg.mkColor(c.cross), width=2)
        for text in self.lengths:
            text.setData(color=pg.mkColor(c.text), font=theme.axis_font())

    def show_surface(self, ground: Surface, colours: Colours, look: Look, unit: str) -> None:
        """Shows the surface in colours that have the light in them: (ny, nx, 4) uint8."""
        self._shown = ground, colours, look, unit
        if look.times != self._stretch:
            self._keep_in_view(look.times)
        z = ground.z * np.float32(look.times)
        # pyqtgraph counts x before y, and wants one row of four a point
        self.surface.setData(
            x=ground.x,
            y=ground.y,
            z=np.ascontiguousarray(z.T),
            colors=np.ascontiguousarray(colours.transpose(1, 0, 2)).reshape(-1, 4),
        )
        self._draw_box(ground, unit)
        self._set_visible(True)
        if self._cross is not None:
            self.show_cross(*self._cross)
        if not self.widget.touched:
            self.show_whole()

    def _draw_box(self, ground: Surface, unit: str) -> None:
        corner = np.array([ground.x[0], ground.y[0], 0.0])
        size = np.array([np.ptp(ground.x), np.ptp(ground.y), max(self._top, 1e-6)])
        self.box.setData(pos=corner + BOX * size)
        digits = 0 if ground.height >= 20 else 1
        texts = (f"x {size[0]:.0f} {unit}", f"y {size[1]:.0f} {unit}")
        away = 0.03 * max(size[:2])
        places = (
            corner + size * (0.5, 0, 0) - (0, away, 0),
            corner + size * (1, 0.5, 0) + (away, 0, 0),
            corner + size * (0, 0, 0.5) - (away, 0, 0),
        )
        for item, text, place in zip(
            self.lengths, (*texts, f"z {ground.height:.{digits}f} {unit}"), places, strict=True
        ):
            item.setData(pos=place, text=visible(text))

    def show_cross(self, y: float, x: float) -> None:
        """Where the crosshair is: along the surface, in both directions."""
        self._cross = y, x
        if self._shown is None:
            return
        ground, _, look, _ = self._shown
        i, k = int(np.abs(ground.y - y).argmin()), int(np.abs(ground.x - x).argmin())
        lift = CROSS_LIFT * max(np.ptp(ground.x), np.ptp(ground.y))
        z = ground.z * np.float32(look.times) + np.float32(lift)
        self.row.setData(pos=_line(ground.x, ground.y[i], z[i]))
        self.column.setData(pos=_line(ground.x[k], ground.y, z[:, k]))

    def show_whole(self) -> None:
        """Shows everything, from the initial viewpoint."""
        self.widget.touched = False
        if self._shown is None:
            return
        ground = self._shown[0]
        half = self._half(self._stretch)
        self.widget.setCameraParams(
            center=QVector3D(ground.x[0] + half[0], ground.y[0] + half[1], half[2]),
            fov=FIELD_OF_VIEW,
            elevation=ELEVATION,
            azimuth=AZIMUTH,
            distance=self._distance(self._radius(self._stretch)),
        )

    def _keep_in_view(self, times: int) -> None:
        """Goes nearer or farther as the box shrinks or grows, from the same side."""
        now = self.widget.opts
        old, self._stretch = self._radius(self._stretch), times
        self.widget.setCameraPosition(
            pos=QVector3D(now["center"].x(), now["center"].y(), self._top / 2),
            distance=now["distance"] * self._radius(times) / old,
        )

    def _half(self, times: int) -> NDArray[np.float64]:
        """Half the sides of the box as it is drawn: x, y, z."""
        if self._shown is None:
            return np.ones(3)
        ground = self._shown[0]
        sides = [np.ptp(ground.x), np.ptp(ground.y), ground.height * times]
        return 0.5 * np.array(sides, np.float64)

    def _radius(self, times: int) -> float:
        """Of the ball around the box."""
        return max(1e-6, float(np.linalg.norm(self._half(times))))

    @property
    def _top(self) -> float:
        """Height of the box as it is drawn."""
        return 2 * float(self._half(self._stretch)[2])

    def _distance(self, radius: float) -> float:
        """From where a ball of this radius fills the view. Its field is reported for its width."""
        wide = math.tan(math.radians(FIELD_OF_VIEW) / 2)
        narrow = wide * min(1.0, self.widget.height() / max(1, self.widget.width()))
        return 0.96 * radius / math.sin(math.atan(narrow))

    def clear(self) -> None:
        """Shows nothing."""
        self._set_visible(False)

    def _set_visible(self, visible: bool) -> None:
        for item in (self.surface, self.box, self.row, self.column, *self.lengths):
            item.setVisible(visible)


def _line(x: Any, y: Any, z: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 3) of coordinates, each of which is one for all or one a point."""
    return np.stack([np.broadcast_to(axis, z.shape) for axis in (x, y, z)], axis=1)
