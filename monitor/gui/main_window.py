"""The window: views in docks, one timer that repaints them, and what the operator chose."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from monitor.gui import actions
from monitor.gui.dialogs import Dialogs
from monitor.gui.panels.acquisition import AcquisitionPanel
from monitor.gui.panels.alarms import Notices
from monitor.gui.panels.cell import CellPanel
from monitor.gui.panels.help import HelpPanel
from monitor.gui.panels.session import SessionPanel
from monitor.gui.panels.status_bar import StatusBar
from monitor.gui.selection import Selection
from monitor.gui.state.client import Client
from monitor.gui.state.queries import Seen, wants
from monitor.gui.state.snapshot import Choice, Snapshot, order_problem, shown_scan
from monitor.gui.views.discharge_table import TableView
from monitor.gui.views.distribution import DistributionView
from monitor.gui.views.events import EventView
from monitor.gui.views.map.view import MapView
from monitor.gui.views.overview.view import Board
from monitor.gui.views.pits.view import PitsView
from monitor.gui.views.profile import ProfileView
from monitor.gui.views.relief.view import ReliefView
from monitor.gui.views.section import SectionView
from monitor.gui.views.timeline.view import TimelineView
from monitor.gui.views.trend.view import TrendView
from monitor.gui.widgets import export, theme
from monitor.gui.widgets.paint_queue import Turns
from monitor.gui.workspace import Area, Layouts, View, bench_of
from monitor.plain_text import typed
from monitor.wire.results.queries import AcknowledgeOrder, NoteOrder, PolicyOrder, ScanOrder

REPAINT_MS = 100


class Window(QMainWindow):
    """Everything that an operator sees. Nothing in it waits for the engine."""

    def __init__(
        self,
        client: Client,
        cell: str | None = None,
        *,
        kept: QSettings | None = None,
        viewer: bool = False,
    ) -> None:
        super().__init__()
        self.client = client
        self.kept = kept
        self.choice = Choice(cell=cell or "")
        self.snapshot = Snapshot()
        self._drawn: tuple[Any, ...] = ()
        self._settled = cell is not None
        self._viewer = viewer
        self.turns = Turns(self)
        self._make_views()
        whole = self._lay_out()
        self.setCentralWidget(whole)
        self.setWindowTitle("pitwatch")
        self.resize(1440, 900)
        self.selection, self.dialogs = Selection(self), Dialogs(self)
        self.help = HelpPanel(whole)
        self.session = SessionPanel(whole, client.address, self._operator())
        self.layouts.seen_changed.connect(lambda: self.turns.put("look", self.tick))
        self._connect()
        todo = actions.items_of(self)
        self.actions_by_text = actions.build(self, self.menuBar(), todo)
        self.help.fill(todo)
        self._timer = QTimer(self, interval=REPAINT_MS)
        self._timer.timeout.connect(self.tick)
        self._timer.start()
        self.tick()
        self.turns.finish()

    # --- how it is put together -------------------------------------------------------------------

    def _make_views(self) -> None:
        self.status, self.notices, self.board = StatusBar(), Notices(), Board()
        self.map, self.pinned, self.timeline = MapView(), MapView("pinned"), TimelineView()
        self.cell, self.acquisition = CellPanel(), AcquisitionPanel()
        self.section, self.profile = SectionView(), ProfileView()
        self.trend, self.relief = TrendView(self.turns), ReliefView()
        self.distribution, self.pits = DistributionView(), PitsView()
        self.table, self.events = TableView(), EventView()
        for part in (self.acquisition, self.events, self.notices):
            part.viewer = self._viewer

    def _lay_out(self) -> QWidget:
        maps = QWidget()
        row = QHBoxLayout()
        row.setSpacing(6)
        for view in (self.map, self.pinned):
            row.addWidget(view, 1)
        self.pinned.hide()
        self.map.link(self.pinned)
        column = QVBoxLayout(maps)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row, 1)
        column.addWidget(self.timeline)
        self.bench = bench_of(maps)
        left, right = Area.LeftDockWidgetArea, Area.RightDockWidgetArea
        below = Area.BottomDockWidgetArea
        self.layouts = Layouts(
            self.bench,
            (
                View("cell", "Cell", self.cell, left, "left"),
                View("acquisition", "Acquisition", self.acquisition, left, "left below"),
                View("section", "Cross-section", self.section, below, "below"),
                View("profile", "Profile", self.profile, below, "below"),
                View("trend", "Trend", self.trend, right, "right"),
                View("relief", "Relief", self.relief, right, "right"),
                View("distribution", "Distribution", self.distribution, right, "right"),
                View("pits", "Pits", self.pits, right, "right below"),
                View("table", "Thickness", self.table, right, "right below"),
                View("events", "Events", self.events, right, "right below"),
            ),
        )
        self.pages = QStackedWidget()
        self.pages.addWidget(self.board)
        self.pages.addWidget(self.bench)
        self.pages.setCurrentWidget(self.bench)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(6, 4, 6, 6)
        column.setSpacing(5)
        for part in (self.status, self.notices):
            column.addWidget(part)
        column.addWidget(self.pages, 1)
        return whole

    def _connect(self) -> None:
        choose = self.choose
        self.board.cell_opened.connect(self.selection.choose_cell)
        self.cell.cell_chosen.connect(self.selection.choose_cell)
        for chooser in (self.timeline, self.trend, self.pits):
            chooser.scan_chosen.connect(lambda scan: choose(scan=scan))
        self.timeline.live_chosen.connect(self.selection.follow_live)
        self.timeline.pin_chosen.connect(lambda scan: choose(pinned=scan))
        self.timeline.comparison_chosen.connect(lambda how: choose(comparison=how))
        self.trend.against_chosen.connect(lambda against: choose(against=against))
        self.trend.span_wanted.connect(lambda span: choose(span=span))
        self.pits.pit_chosen.connect(lambda pit: choose(pit=pit))
        self.pits.export_wanted.connect(self.dialogs.ask_csv)
        self.map.map_chosen.connect(lambda name: choose(map=name))
        self.map.controls.switched.connect(lambda name, on: choose(**{name: on}))
        self.map.window_wanted.connect(lambda window: choose(window=window))
        self.map.tools.region_drawn.connect(self.selection.take_region)
        self.map.tools.line_drawn.connect(self.selection.take_line)
        self.section.axis_chosen.connect(lambda axis: choose(axis=axis))
        for view in (self.map, self.pinned, self.section):
            view.cross_moved.connect(lambda row, column: choose(cross=(row, column)))
        self.map.pit_clicked.connect(lambda pit: choose(pit=pit))
        self._connect_orders()

    def _connect_orders(self) -> None:
        order, by = self.client.order, self._operator
        self.acquisition.extra_scan.connect(
            lambda cell, why: order(ScanOrder(cell, why=why, by=by()))
        )
        self.acquisition.suggestion_answered.connect(
            lambda cell, number, taken: order(ScanOrder(cell, "manual", number, taken, by=by()))
        )
        self.acquisition.policy_chosen.connect(
            lambda cell, mode, most: order(PolicyOrder(cell, mode, most, by()))
        )
        self.events.note_written.connect(
            lambda text: order(NoteOrder(self.choice.cell, text, by(), self._shown_number()))
        )
        self.notices.acknowledged.connect(
            lambda cell, number: order(AcknowledgeOrder(cell, number, by()))
        )
        self.events.scan_clicked.connect(self.selection.show_scan)
        self.session.connect_wanted.connect(self.dialogs.connect_to)
        self.session.recording_wanted.connect(self.dialogs.ask_recording)
        self.session.name_changed.connect(lambda name: self._keep("operator", name))

    # --- repainting -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Fetches the newest snapshot; what has changed and can be seen is repainted from it, one
        view at a turn of the event loop."""
        self.snapshot = snapshot = self.client.snapshot()
        if snapshot.state and self.choice.cell not in snapshot.state["cells"]:
            self.choice = replace(self.choice, cell=next(iter(snapshot.state["cells"]), ""))
        if snapshot.state and not self._settled:
            self._settled = True
            if len(snapshot.state["cells"]) > 1:
                self.pages.setCurrentWidget(self.board)
        self.status.draw(snapshot, self.choice)
        seen = self.layouts.visible()
        on_board = self.pages.currentWidget() is self.board
        ages = round(snapshot.silent_s) if on_board else 0
        drawn = (snapshot.number, snapshot.linked, self.choice, seen, on_board, ages)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        look = Seen(seen, self.map.pixels, self.section.pixels, board=on_board)
        self.client.query(wants(snapshot, self.choice, look))
        self.notices.draw(snapshot)
        if on_board:
            self.turns.put("board", partial(self.board.draw, snapshot, self.choice))
            return
        beside = self.choice.comparison == "beside"
        if beside != self.pinned.isVisible():
            self.map.controls.narrow(beside)
            self.pinned.setVisible(beside)
        # at once: whom it asks for must be whom the next key means
        self.acquisition.draw(snapshot, self.choice)
        for name, view in self._visible_views(seen).items():
            self.turns.put(name, partial(view.draw, snapshot, self.choice))

    def _visible_views(self, names: tuple[str, ...]) -> dict[str, Any]:
        central: dict[str, Any] = {"map": self.map, "timeline": self.timeline}
        if self.pinned.isVisible():
            central["pinned"] = self.pinned
        beside = {name: self.layouts.views_card(name) for name in names if name != "acquisition"}
        return central | beside

    def choose(self, **changes: Any) -> None:
        """Changes what is looked at."""
        self.choice = replace(self.choice, **changes)
        self.tick()

    def begin_anew(self) -> None:
        """Another engine answers from now on: nothing that was chosen before is kept."""
        self._settled = False
        self._drawn = ()
        self.turns.clear()
        self.choice = Choice(colours=self.choice.colours)
        self.tick()

    def shown(self) -> Any:
        """The scan that is shown, or None."""
        return shown_scan(self.snapshot.cell(self.choice.cell), self.choice)

    def _shown_number(self) -> int | None:
        scan = self.shown()
        return None if scan is None else int(scan["scan"])

    # --- look, and what is kept for the user ------------------------------------------------------

    def toggle_shade(self) -> None:
        """Dark or light."""
        self.set_look("light" if theme.shade() == "dark" else "dark", theme.scale())

    def scale_letters(self, by: int) -> None:
        """Larger or smaller letters."""
        at = min(range(len(theme.SCALES)), key=lambda i: abs(theme.SCALES[i] - theme.scale()))
        at = min(max(at + by, 0), len(theme.SCALES) - 1)
        self.set_look(theme.shade(), theme.SCALES[at])

    def set_look(self, shade: theme.Shade, letters: float) -> None:
        """Applies a look to everything that is there."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, shade, letters)
        parts: list[Any] = [self.map, self.pinned, self.timeline, self.board, self.help]
        for view in parts + [view.card for view in self.layouts.views]:
            view.restyle()
        self._keep("shade", shade)
        self._keep("letters", letters)
        self._drawn = ()
        self.tick()

    def screenshot(self, path: Path | str) -> None:
        """Writes the window as it is into a picture. Raises PitwatchError where that fails."""
        self.turns.finish()
        export.save(self, path)

    def toggle_full_screen(self) -> None:
        """The whole screen, or a window."""
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    def restore(self) -> None:
        """Where the user's window and views were; call it before the window is shown."""
        if self.kept is not None:
            geometry = self.kept.value("geometry")
            if geometry is not None:
                self.restoreGeometry(geometry)
            self.layouts.restore(self.kept)

    def _operator(self) -> str:
        return typed(str(self.kept.value("operator", ""))) if self.kept is not None else ""

    def _keep(self, name: str, value: Any) -> None:
        if self.kept is not None:
            self.kept.setValue(name, value)

    def order_problem(self) -> str:
        """Why nothing can be asked from this screen; nothing where it can."""
        return order_problem(self.snapshot, viewer=self._viewer)

    def showEvent(self, event: Any) -> None:
        """Gives the views their shares at the size that the window has on the screen."""
        super().showEvent(event)
        if self.kept is None or self.kept.value("layout") is None:
            self.layouts.proportion(self.width(), self.height())

    def closeEvent(self, event: Any) -> None:
        """Stops the timer; the client belongs to whoever made it."""
        self._timer.stop()
        self.turns.clear()
        if self.kept is not None:
            self._keep("geometry", self.saveGeometry())
            self.layouts.save(self.kept)
            self.kept.sync()
        self.dialogs.close()
        super().closeEvent(event)
