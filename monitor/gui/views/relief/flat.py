"""The relief without OpenGL: seen from above, in the light that shows its slopes."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from monitor.gui.views.relief.shading import Colours, Look, Surface
from monitor.gui.widgets import theme
from monitor.gui.widgets.plot import Plot, name_axis


class FlatRelief(QWidget):
    """Draws a shaded map; reports which point (x, y in the map's unit) was clicked."""

    pointed = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self._whole = QRectF(0, 0, 1, 1)
        self.graphics = Plot()
        self.plot = self.graphics.plot
        self.plot.vb.setAspectLocked(True)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.across, self.down = (pg.InfiniteLine(angle=angle) for angle in (0, 90))
        for line in (self.across, self.down):
            self.plot.addItem(line, ignoreBounds=True)
        self.message = self.graphics.message
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self.graphics)
        self.clear("")

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        for line in (self.across, self.down):
            line.setPen(theme.pen(c.cross))

    def show_surface(self, ground: Surface, colours: Colours, look: Look, unit: str) -> None:
        """Shows the surface in colours that have the light in them: (ny, nx, 4) uint8."""
        pitch_y, pitch_x = ground.pitch
        ny, nx = ground.z.shape
        self._whole = QRectF(
            ground.x[0] - pitch_x / 2, ground.y[0] - pitch_y / 2, nx * pitch_x, ny * pitch_y
        )
        self.image.setImage(colours, levels=None, autoLevels=False)
        self.image.setRect(self._whole)
        for side, axis in (("bottom", "x"), ("left", "y")):
            name_axis(self.plot, side, f"{axis} / {unit}")
        self._set_visible(True)
        self.message.set("")

    def show_cross(self, y: float, x: float) -> None:
        """Where the crosshair is."""
        self.across.setPos(y)
        self.down.setPos(x)

    def show_whole(self) -> None:
        """Back to all of it."""
        self.plot.setRange(self._whole, padding=0.01)

    def clear(self, why: str) -> None:
        """Shows nothing, and why."""
        self._set_visible(False)
        self.message.set(why)

    def _set_visible(self, visible: bool) -> None:
        for item in (self.image, self.across, self.down):
            item.setVisible(visible)
        self.graphics.show_axes(visible)

    def _clicked(self, event: Any) -> None:
        point = self.graphics.place(event.scenePos())
        if self.image.isVisible() and point is not None:
            self.pointed.emit(point.x(), point.y())
