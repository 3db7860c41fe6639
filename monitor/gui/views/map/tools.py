"""Shapes that an operator draws on the map: a region to be measured, a line for the profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pyqtgraph as pg
from PySide6.QtCore import QObject, QRectF, Signal

from monitor.gui.state.snapshot import Points, Region
from monitor.gui.widgets import theme
from monitor.gui.widgets.palette import REGION, WHITE
from monitor.wire.results.cells import Scan

Tool = Literal["none", "rectangle", "ellipse", "polygon", "line"]


class MapTools(QObject):
    """One shape of each kind in a plot, made once; only the one in use is visible.

    `region_drawn` carries a Region (the whole map if there is none), `line_drawn` the two ends of
    the profile, or None; both in (row, column) of the map's pixels.
    """

    region_drawn = Signal(object)
    line_drawn = Signal(object)

    def __init__(self, plot: pg.PlotItem) -> None:
        super().__init__()
        self._plot = plot
        self._voxel = (1.0, 1.0)
        self.tool: Tool = "none"
        pen, hover = theme.pen(REGION, 2), theme.pen(WHITE, 2)
        line_pen = theme.pen(theme.palette().cross, 2)
        options = {"pen": pen, "hoverPen": hover, "handlePen": pen, "handleHoverPen": hover}
        self.shapes: dict[str, pg.ROI] = {
            "rectangle": pg.RectROI((0, 0), (1, 1), sideScalers=True, **options),
            "ellipse": pg.EllipseROI((0, 0), (1, 1), **options),
            "polygon": pg.PolyLineROI([(0, 0), (1, 0), (0.5, 1)], closed=True, **options),
            "line": pg.LineSegmentROI([(0, 0), (1, 1)], **(options | {"pen": line_pen})),
        }
        for shape in self.shapes.values():
            shape.setZValue(12)
            shape.hide()
            plot.addItem(shape, ignoreBounds=True)
            shape.sigRegionChangeFinished.connect(self._tell)
        self._moving = False

    def use(self, tool: Tool, scan: Scan | None) -> None:
        """Puts a shape into the middle of the visible part, and removes the previous one."""
        if scan is None:
            return
        self._voxel = scan["voxel_size"][1:]
        self.tool = tool
        self._moving = True
        for name, shape in self.shapes.items():
            shape.setVisible(name == tool)
        if tool != "none":
            self._place(tool, scan)
        self._moving = False
        if tool in ("none", "line"):
            self.region_drawn.emit(Region())
        if tool != "line":
            self.line_drawn.emit(())
        self._tell()

    def set_visible(self, visible: bool) -> None:
        """Hides what is drawn if there is no map below it."""
        for name, shape in self.shapes.items():
            shape.setVisible(visible and name == self.tool)

    def _place(self, tool: Tool, scan: Scan) -> None:
        (x0, x1), (y0, y1) = self._plot.vb.viewRange()
        ny, nx = scan["shape"]
        vy, vx = self._voxel
        x0, x1 = max(x0, 0.0), min(x1, (nx - 1) * vx)
        y0, y1 = max(y0, 0.0), min(y1, (ny - 1) * vy)
        box = QRectF(x0 + 0.3 * (x1 - x0), y0 + 0.3 * (y1 - y0), 0.4 * (x1 - x0), 0.4 * (y1 - y0))
        shape = self.shapes[tool]
        if tool in ("rectangle", "ellipse"):
            shape.setPos(box.topLeft())
            shape.setSize(box.size().toTuple())
        elif tool == "polygon":
            shape.setPos((0, 0))
            middle = box.center()
            shape.setPoints(
                [
                    (middle.x(), box.top()),
                    (box.right(), middle.y()),
                    (middle.x(), box.bottom()),
                    (box.left(), middle.y()),
                ]
            )
        else:
            shape.setPos((0, 0))
            for handle, x in zip(shape.getHandles(), (box.left(), box.right()), strict=True):
                shape.movePoint(handle, pg.Point(x, box.center().y()), finish=False)

    def _tell(self, *_: Any) -> None:
        if self._moving or self.tool == "none":
            return
        points = POINTS[self.tool](self.shapes[self.tool])
        vy, vx = self._voxel
        pixels: Points = tuple((round(y / vy, 3), round(x / vx, 3)) for x, y in points)
        if self.tool == "line":
            self.line_drawn.emit(pixels)
        else:
            self.region_drawn.emit(Region(self.tool, pixels))


def _corners(shape: pg.ROI) -> list[tuple[float, float]]:
    position, size = shape.pos(), shape.size()
    return [(position.x(), position.y()), (position.x() + size.x(), position.y() + size.y())]


def _handles(shape: pg.ROI) -> list[tuple[float, float]]:
    places = (shape.mapToParent(handle.pos()) for handle in shape.getHandles())
    return [(place.x(), place.y()) for place in places]


POINTS: dict[str, Callable[[pg.ROI], list[tuple[float, float]]]] = {
    "rectangle": _corners,
    "ellipse": _corners,
    "polygon": _handles,
    "line": _handles,
}
