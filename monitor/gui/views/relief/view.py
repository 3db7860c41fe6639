"""The surface of the shown scan in relief, as in Figure 6 of the paper: 3-D, or shaded in 2-D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget

from monitor.gui.formatting import as_is, number
from monitor.gui.state.health import fetching, no_scan
from monitor.gui.state.snapshot import (
    Answer,
    Choice,
    Snapshot,
    crosshair,
    measure,
    shown_scan,
)
from monitor.gui.views.relief.controls import ReliefControls
from monitor.gui.views.relief.flat import FlatRelief
from monitor.gui.views.relief.gl_probe import why_no_opengl
from monitor.gui.views.relief.pit_marks import outline, tint
from monitor.gui.views.relief.queries import SURFACES
from monitor.gui.views.relief.shading import (
    Look,
    Surface,
    painted,
    shade,
    surface,
)
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import elastic, label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.plot import name_axis, set_scale, style_axes
from monitor.gui.widgets.view import View
from monitor.gui.wording.map_captions import map_title
from monitor.wire.results.cells import Scan

if TYPE_CHECKING:
    from monitor.gui.views.relief.gl import Scene

CHECK_MS = 400
"""How long a new 3-D view may take to get its context."""
PITS = ("pits", "map_pits")
"""The table of the shown scan, under either name: it reports when pits began."""


class ReliefView(View):
    """Draws the surface; emits which point (row, column) of the map was clicked in 2-D."""

    def __init__(self) -> None:
        super().__init__("Relief", "The lithium/electrolyte interface of the shown scan")
        self.controls = ReliefControls()
        self.controls.changed.connect(self._again)
        self._scene: Scene | None = None
        self._refused = ""
        self._now: tuple[Snapshot, Choice] | None = None
        self._scan: Scan | None = None
        self._ground: tuple[Any, ...] = ()
        self._drawn: tuple[Any, ...] = ()
        self._homes: dict[int, tuple[Any, ...]] = {}
        self.caption = elastic(label(rich=True))
        self.scale = elastic(label("", "muted", "Stretch of z, size of the box, light"))
        self.why = elastic(label())
        self.flat = FlatRelief()
        self.flat.pointed.connect(self._pointed)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.flat)
        self._make_bar()
        self._make_buttons()
        self._lay_out()
        self._check = QTimer(self, singleShot=True, interval=CHECK_MS)
        self._check.timeout.connect(self._check_scene)
        self.restyle()

    def _make_buttons(self) -> None:
        self.ages = QPushButton("Age")
        set_tip(self.ages, "Colour pits by the scan in which they began: yellow oldest, red newest")
        self.only_flat = QPushButton("2-D")
        set_tip(self.only_flat, "View from above, with axes, without OpenGL")
        for button in (self.ages, self.only_flat):
            button.setCheckable(True)
            button.toggled.connect(self._again)
        self.whole = QPushButton("Whole")
        set_tip(self.whole, "Show all of it, from the initial viewpoint")
        self.whole.clicked.connect(self.show_whole)

    def _make_bar(self) -> None:
        self.colours = pg.GraphicsLayoutWidget()
        self.colours.ci.layout.setContentsMargins(0, 6, 0, 6)
        self.colour_bar = pg.ColorBarItem(values=(0, 1), width=12, interactive=False)
        self.colours.addItem(self.colour_bar)

    def _lay_out(self) -> None:
        quiet(self.ages, self.only_flat, self.whole)
        self.head.addWidget(self.caption, 1)
        for button in (self.ages, self.only_flat, self.whole):
            self.head.addWidget(button)
        middle = QHBoxLayout()
        middle.setSpacing(2)
        middle.addWidget(self.pages, 1)
        middle.addWidget(self.colours)
        self.body.addWidget(self.controls)
        self.body.addLayout(middle, 1)
        self.body.addWidget(self.scale)
        self.body.addWidget(self.why)

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        c = theme.palette()
        self.why.setStyleSheet(f"color: {c.warn}")
        self.colours.setBackground(c.panel)
        self.colours.setFixedWidth(theme.px(66))
        style_axes(self.colour_bar, "right")
        self.flat.restyle()
        if self._scene is not None:
            self._scene.restyle()
        self._drawn = ()

    def show_whole(self) -> None:
        """Shows everything, from the initial viewpoint."""
        self.flat.show_whole()
        if self._scene is not None:
            self._scene.show_whole()

    def showEvent(self, event: QShowEvent) -> None:
        """The 3-D view is made when there is a window for it."""
        super().showEvent(event)
        # not at once: making it hides and shows the window
        QTimer.singleShot(0, self, self._again)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the surface of the shown scan."""
        self._now = snapshot, choice
        cell = snapshot.cell(choice.cell)
        self._scan = scan = shown_scan(cell, choice)
        answer = snapshot.answer("relief", choice.cell)
        problem = self._problem(snapshot, answer, choice)
        if problem or scan is None or answer is None or answer.array is None:
            self._show_nothing(problem)
            return
        if answer.header["scan"] != scan["scan"] or answer.header["name"] not in SURFACES:
            text = fetching(snapshot, f"the surface of scan {scan['scan']}")
            self.caption.setText(as_is(text))
            return
        ground = self._surface(answer, scan)
        if ground is None:
            self._show_nothing(f"Nothing is measurable in scan {scan['scan']}")
            return
        self._choose_page()
        self._paint(snapshot, choice, answer, ground)
        row, column = crosshair(scan, choice)
        _, vy, vx = scan["voxel_size"]
        self._page.show_cross(row * vy, column * vx)

    def _again(self, *_: Any) -> None:
        if self._now is not None:
            self.draw(*self._now)

    def _problem(self, snapshot: Snapshot, answer: Answer | None, choice: Choice) -> str:
        if snapshot.state is None:
            return f"Waiting for the engine at {snapshot.address}"
        scan = self._scan
        if scan is None:
            return no_scan(snapshot, choice.cell)
        if not any(name in scan["maps"] for name in SURFACES):
            return f"Scan {scan['scan']} has no map of heights"
        if answer is None:
            return fetching(snapshot, f"the surface of scan {scan['scan']}")
        return answer.error

    def _show_nothing(self, why: str) -> None:
        self._drawn = ()
        self.pages.setCurrentWidget(self.flat)
        self.flat.clear(why)
        self.colours.hide()
        for text in (self.caption, self.scale):
            text.setText("")
        self.why.hide()

    def _surface(self, answer: Answer, scan: Scan) -> Surface | None:
        key = (answer, self.controls.look.hills)
        if self._ground[:2] != key:
            plateau = measure(scan, "complete") if answer.header["name"] == "removal" else None
            array = answer.array
            assert array is not None
            self._ground = (*key, surface(array, answer.header, plateau, self.controls.look.hills))
        found: Surface | None = self._ground[2]
        return found

    def _paint(self, snapshot: Snapshot, choice: Choice, answer: Answer, ground: Surface) -> None:
        labels, pits = self._labels(snapshot, choice, answer), self._pits(snapshot, choice)
        look, ages = self.controls.look, self.ages.isChecked()
        marks = labels, pits, choice.pit, choice.outlines, ages
        drawn = (self._page, ground, look, choice.colours, *marks)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        name, unit = answer.header["name"], answer.header["length_unit"]
        levels = answer.levels or (0.0, 1.0)
        colour_map = theme.colour_map(name, choice.colours)
        light = shade(ground, look)
        table = colour_map.getLookupTable(nPts=256)
        colours = painted(ground, levels, table, light, theme.rgb(theme.palette().no_data))
        if labels is not None:
            columns = pits.columns if pits is not None else {}
            if self._page is self.flat and not ages:
                outline(colours, labels, columns, choice)
            else:
                # rims would hide the walls that are to be visible in 3-D
                tint(colours, labels, columns, choice.pit, light, ages)
        self._page.show_surface(ground, colours, look, unit)
        self._show_colours(colour_map, levels, unit)
        scan = answer.header["scan"]
        self.caption.setText(f"<b>Scan {as_is(scan)}</b> · {map_title(name)}")
        self.scale.setText(_scale_text(ground, look, unit))
        set_tip(self.scale, self.scale.text())
        home = (choice.cell, ground.z.shape, unit)
        if home != self._homes.get(id(self._page)):
            self._homes[id(self._page)] = home
            self._page.show_whole()

    def _show_colours(self, scale: pg.ColorMap, levels: tuple[float, float], unit: str) -> None:
        self.colours.show()
        set_scale(self.colour_bar, scale, levels)
        name_axis(self.colour_bar, "right", unit)

    def _labels(self, snapshot: Snapshot, choice: Choice, answer: Answer) -> Answer | None:
        """The pits on just these points, if they are known."""
        found = snapshot.answer_on(self._scan, "relief_labels", choice.cell)
        if found is None or found.array is None or answer.array is None:
            return None
        return found if found.array.shape == answer.array.shape else None

    def _pits(self, snapshot: Snapshot, choice: Choice) -> Answer | None:
        told = (snapshot.answer_on(self._scan, name, choice.cell) for name in PITS)
        return next(filter(None, told), None)

    @property
    def _page(self) -> FlatRelief | Scene:
        """What is drawn on now."""
        scene = self._scene
        is_scene = scene is not None and self.pages.currentWidget() is scene.widget
        return scene if scene is not None and is_scene else self.flat

    def _choose_page(self) -> None:
        """3-D where it can be and is wanted; a line says why where it cannot be."""
        # to find out takes a tenth of a second, once: not before someone looks
        reason = self._refused or (why_no_opengl() if self.isVisible() else "")
        self.only_flat.setVisible(not reason)
        self.why.setText(f"No OpenGL here ({reason}): shaded relief instead" if reason else "")
        set_tip(self.why, self.why.text())
        self.why.setVisible(bool(reason))
        wanted = not reason and not self.only_flat.isChecked()
        if wanted and self._scene is None and self.isVisible():
            from monitor.gui.views.relief.gl import Scene

            self._scene = Scene()
            self.pages.addWidget(self._scene.widget)
            self._check.start()
        page = self._scene.widget if wanted and self._scene is not None else self.flat
        self.pages.setCurrentWidget(page)
        self.controls.use_page("flat" if page is self.flat else "solid")

    def _check_scene(self) -> None:
        """Gives the 3-D view up where the window did not get it a context."""
        scene = self._scene
        if scene is None or scene.widget.isValid():
            return
        if not scene.widget.isVisible():
            self._check.start()
            return
        self._refused = "no context could be created for this window"
        self.pages.removeWidget(scene.widget)
        self._scene = None
        self._again()

    def _pointed(self, x: float, y: float) -> None:
        if self._scan is not None:
            (ny, nx), (_, vy, vx) = self._scan["shape"], self._scan["voxel_size"]
            row, column = round(y / vy), round(x / vx)
            self.cross_moved.emit(min(max(row, 0), ny - 1), min(max(column, 0), nx - 1))


def _scale_text(ground: Surface, look: Look, unit: str) -> str:
    """How z is stretched, how large the box is, and where the light comes from."""
    width, depth = (float(np.ptp(axis)) for axis in (ground.x, ground.y))
    box = f"{width:.0f} × {depth:.0f} × {number(ground.height)} {unit}"
    form = "pits as hills" if look.hills else "pits as depressions"
    light = f"light from {look.compass} ({look.azimuth}°), {look.altitude}° high"
    return f"z ×{look.times} · box {box} · {form} · {light}"
