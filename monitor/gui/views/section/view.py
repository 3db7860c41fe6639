"""The vertical cross-section through the crosshair, with the interface drawn on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtWidgets import QPushButton

from monitor.gui.actions import keys_of, with_keys
from monitor.gui.state.health import fetching
from monitor.gui.state.snapshot import Answer, Choice, Snapshot, crosshair, shown_scan
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.palette import FAINT, PICTURE_GREY
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.plot import Plot, draw_curve, name_axis
from monitor.gui.widgets.view import View

LINES = ("interface", "reference", "pinned", "bottom")
DASHED = ("reference", "pinned")


class SectionView(View):
    """Draws one vertical plane; emits when the operator moves along it or turns it."""

    def __init__(self) -> None:
        super().__init__(
            "Cross-section",
            "Grey levels of the slices through the crosshair\nbelow, in brackets: position of the "
            "plane and stretch of z",
        )
        self._scan: Any = None
        self._choice = Choice()
        self._drawn: tuple[Any, ...] = ()
        self._home: tuple[Any, ...] = ()
        self._along, self._at = "", ""
        self.turn = QPushButton("x – z")
        set_tip(self.turn, with_keys("Turn the plane: along x or along y", "turn_section"))
        self.turn.clicked.connect(
            lambda: self.axis_chosen.emit("x" if self._choice.axis == "y" else "y")
        )
        quiet(self.turn)
        self.key = label(
            "",
            "",
            "interface: lithium/electrolyte in this scan\nreference: the same in the first scan, "
            "aligned with the bottom of this scan\npinned: the same in the pinned scan "
            f"({keys_of('pin')})\nbottom: lower side of the lithium",
            rich=True,
        )
        self.head.addWidget(self.turn)
        self.head.addStretch(1)
        self.head.addWidget(self.key)
        self._make_plot()

    def _make_plot(self) -> None:
        self.graphics = Plot()
        self.plot = self.graphics.plot
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.curves = {name: pg.PlotDataItem() for name in LINES}
        for name in ("reference", "pinned", "bottom", "interface"):
            self.plot.addItem(self.curves[name], ignoreBounds=True)
        self.mark = pg.InfiniteLine(angle=90, movable=True, pen=theme.pen(FAINT))
        self.mark.sigDragged.connect(self._dragged)
        self.plot.addItem(self.mark, ignoreBounds=True)
        self.message = self.graphics.message
        for changed in (self.plot.vb.sigRangeChanged, self.plot.vb.sigResized):
            changed.connect(lambda *_: self._tell_stretch())
        self.body.addWidget(self.graphics, 1)
        self.restyle()

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.graphics.restyle()
        self._colours = dict(zip(LINES, (c.cross, c.before, c.other, c.bottom), strict=True))
        for name, curve in self.curves.items():
            dash = name in DASHED
            style = Qt.PenStyle.DashLine if dash else Qt.PenStyle.SolidLine
            curve.setPen(theme.pen(self._colours[name], 2, style))
        self._tell_key(pinned=False)

    def _tell_key(self, *, pinned: bool) -> None:
        # on the light panel the colours of lines over a picture are too pale for letters
        plain = theme.shade() == "light"
        parts = []
        for name in LINES:
            if name == "pinned" and not pinned:
                continue
            mark = "┅" if name in DASHED else "━"
            colour = self._colours[name]
            back = f"background:{PICTURE_GREY};" if plain else ""
            parts.append(f"<span style='color:{colour};{back}'>&nbsp;{mark}&nbsp;</span> {name}")
        self.key.setText(" &nbsp; ".join(parts))

    @property
    def pixels(self) -> tuple[int, int]:
        """(rows, columns) that the plot can show, in steps, so that a resize rarely causes a new
        request."""
        size = self.plot.vb.size()
        rows, columns = (max(128, math.ceil(s / 128) * 128) for s in (size.height(), size.width()))
        # z is the short side of a cell: thinning it would cost the height that is looked at
        return 4 * rows, columns

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest plane and the heights along it."""
        self._choice = choice
        self._scan = scan = shown_scan(snapshot.cell(choice.cell), choice)
        self.turn.setText("x – z" if choice.axis == "y" else "y – z")
        cut = snapshot.answer("section", choice.cell)
        problem = self._problem(snapshot, cut)
        self.message.set(problem)
        lines = [
            snapshot.answer(f"cut_{name}", choice.cell)
            for name in ("height", "bottom", "reference", "pinned")
        ]
        visible = cut is not None and not problem and scan is not None
        for item in (self.image, self.mark, *self.curves.values()):
            item.setVisible(visible)
        self.graphics.show_axes(visible)
        if not visible or cut is None or scan is None:
            return
        drawn = (cut, *lines, scan["scan"], choice.axis)
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw_image(snapshot, cut, scan)
            self._draw_lines(lines, scan, choice)
        self._draw_mark(scan, choice)

    def _problem(self, snapshot: Snapshot, cut: Answer | None) -> str:
        if snapshot.state is None:
            return f"Waiting for the engine at {snapshot.address}"
        if self._scan is None:
            return "No cross-section before the first map"
        if cut is None and not snapshot.linked:
            return fetching(snapshot, "the cross-section")
        if cut is not None and cut.error:
            if not snapshot.state["experiment"]["record_slices"]:
                return "Slices are not recorded: there is no cross-section"
            if (snapshot.state.get("recorder") or {}).get("queued_bytes"):
                return "The slices of this scan are still being written"
            return cut.error
        return ""

    def _draw_image(self, snapshot: Snapshot, cut: Answer, scan: Any) -> None:
        plane = cut.array
        if plane is None:
            return
        cell = snapshot.cell(self._choice.cell) or {}
        # lithium below, electrolyte above, however the slices are numbered
        shown = plane[::-1] if cell.get("reversed_z") else plane
        axis = cut.header["axis"]
        vz, vy, vx = scan["voxel_size"]
        along = vx if axis == "y" else vy
        step = cut.header["step"]
        depth = scan["volume_shape"][0]
        width = scan["shape"][1 if axis == "y" else 0]
        # thinned from the first slice on, a flipped plane begins below the last voxel
        base = depth - shown.shape[0] * step if cell.get("reversed_z") else 0
        self.image.setImage(shown, autoLevels=False, levels=cut.levels or (0, 1))
        height = shown.shape[0] * step * vz
        self.image.setRect(
            QRectF(-0.5 * along, (base - 0.5) * vz, shown.shape[1] * step * along, height)
        )
        unit = scan["length_unit"]
        self._along = f"{'x' if axis == 'y' else 'y'} / {unit}"
        name_axis(self.plot, "left", f"z / {unit}")
        home = (self._choice.cell, axis, width, depth, unit)
        if home != self._home:
            self._home = home
            whole = QRectF(-0.5 * along, -0.5 * vz, width * along, depth * vz)
            self.plot.setRange(whole, padding=0.0)

    def _draw_lines(self, lines: list[Answer | None], scan: Any, choice: Choice) -> None:
        height, bottom, reference, pinned = lines
        base = _line(bottom, scan, choice)
        if base is not None:
            draw_curve(self.curves["bottom"], *base)
        else:
            self.curves["bottom"].clear()
        self._tell_key(pinned=pinned is not None)
        tops = {"interface": height, "reference": reference, "pinned": pinned}
        for name, answer in tops.items():
            curve = self.curves[name]
            along = _line(answer, scan, choice)
            if along is None:
                curve.clear()
                continue
            x, top = along
            if base is not None and base[1].shape == top.shape:
                # where this scan knows no bottom, its neighbours' is in
                known = np.isfinite(base[1])
                if known.any():
                    top = top + np.interp(x, base[0][known], base[1][known])
            draw_curve(curve, x, top)

    def _draw_mark(self, scan: Any, choice: Choice) -> None:
        row, column = crosshair(scan, choice)
        _, vy, vx = scan["voxel_size"]
        self.mark.setPos(column * vx if choice.axis == "y" else row * vy)
        at = f"y = {row * vy:.0f}" if choice.axis == "y" else f"x = {column * vx:.0f}"
        self._at = f"{at} {scan['length_unit']}"
        self._tell_stretch()

    def _tell_stretch(self) -> None:
        """Says how far z is drawn out against the horizontal, so that slopes are not misread."""
        (left, right), (low, high) = self.plot.vb.viewRange()
        size = self.plot.vb.size()  # viewPixelSize would be that of before the last resize
        if self._along and size.width() > 0 and size.height() > 0:
            wide, tall = (right - left) / size.width(), (high - low) / size.height()
            stretch = stretch_text(wide / tall)
            name_axis(self.plot, "bottom", f"{self._along} ({self._at}, z ×{stretch})")

    def _dragged(self, *_: Any) -> None:
        if self._scan is None:
            return
        row, column = crosshair(self._scan, self._choice)
        ny, nx = self._scan["shape"]
        _, vy, vx = self._scan["voxel_size"]
        if self._choice.axis == "y":
            column = min(max(round(self.mark.value() / vx), 0), nx - 1)
        else:
            row = min(max(round(self.mark.value() / vy), 0), ny - 1)
        self.cross_moved.emit(row, column)


def stretch_text(factor: float) -> str:
    """How far z is stretched, with two digits however small: a factor is never 0."""
    return f"{factor:.1f}" if factor >= 1 else f"{factor:.2g}"


def _line(
    answer: Answer | None, scan: Any, choice: Choice
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """(position, value) along the plane, from a map's row or column."""
    if answer is None or answer.array is None:
        return None
    values = answer.array.ravel().astype(np.float64)
    _, vy, vx = scan["voxel_size"]
    size = vx if choice.axis == "y" else vy
    return np.arange(len(values)) * answer.header["step"] * size, values
