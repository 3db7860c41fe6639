"""The window: the views of the registry in docks, and one timer that repaints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QSettings, QSize, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from monitor.gui import menus
from monitor.gui.actions import ACTIONS, Handlers
from monitor.gui.dialogs import Dialogs
from monitor.gui.look import Look
from monitor.gui.panels.alarms import Notices
from monitor.gui.panels.help import HelpPanel
from monitor.gui.panels.session import SessionPanel
from monitor.gui.panels.status_bar import StatusBar
from monitor.gui.selection import Selection
from monitor.gui.state.client import Client
from monitor.gui.state.snapshot import Snapshot
from monitor.gui.views.acquisition.policy import MODES
from monitor.gui.views.overview import view as overview
from monitor.gui.views.registry import VIEWS, actions_of, make_views, queries
from monitor.gui.widgets import export, theme
from monitor.gui.widgets.paint_queue import Turns
from monitor.gui.workspace import Layouts, bench_of
from monitor.plain_text import typed
from monitor.wire.results.queries import Order

REPAINT_MS = 100
SIZE = QSize(1440, 900)
"""Initial size of the window; the whole screen if that is smaller."""


class Window(QMainWindow):
    """The window of the screen. Nothing in it waits for the engine."""

    def __init__(
        self,
        client: Client,
        cell: str | None = None,
        *,
        kept: QSettings | None = None,
        viewer: bool = False,
    ) -> None:
        super().__init__()
        theme.dress(self)
        self.client, self.kept = client, kept
        self.snapshot = Snapshot()
        self.selection, self.look = Selection(cell), Look(kept)
        self.turns = Turns(self)
        self.views = make_views(self.turns, viewer=viewer)
        self.status, self.notices, self.board = StatusBar(), Notices(), overview.Board()
        self.notices.viewer = self.status.viewer = viewer
        self.status.operator = self._operator()
        self._drawn: tuple[Any, ...] = ()
        whole = self._lay_out()
        self.setCentralWidget(whole)
        self.setWindowTitle("pitwatch")
        self.resize(SIZE.boundedTo(self.screen().availableSize()))
        actions = (*actions_of(), *ACTIONS)
        self.help = HelpPanel(whole, actions)
        self.session = SessionPanel(whole, client.address, self._operator())
        parts = (client, self.notices, self.session, self.views, self.turns)
        self.dialogs = Dialogs(self, *parts, self._about)
        self._connect()
        self.actions_by_name = menus.build(self, actions, self._handlers(), self._ticks)
        self._timer = QTimer(self, interval=REPAINT_MS)
        self._timer.timeout.connect(self.tick)
        self._timer.start()
        self.tick()
        self.turns.finish()

    # --- how it is put together -------------------------------------------------------------------

    def _lay_out(self) -> QWidget:
        centre = QWidget()
        column, maps = QVBoxLayout(centre), QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(maps, 1)
        maps.setSpacing(6)
        self._fixed = {spec.name: self.views[spec.name] for spec in VIEWS if not spec.is_dock}
        for spec in VIEWS:
            if spec.area == "maps":
                # the pinned scan, as a rule the older one, on the left
                maps.insertWidget(0, self.views[spec.name], 1)
            elif spec.area == "centre":
                column.addWidget(self.views[spec.name])
        self._show_wanted()
        self.bench = bench_of(centre)
        self.layouts = Layouts(self.bench, VIEWS, self.views)
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
        for name, view in self.views.items():
            self.selection.listen(view)
            view.order_given.connect(self._order)
            view.front_wanted.connect(partial(self.bring, name))
            view.ready = lambda: self.turns.idle and self.client.is_answered()
        self.board.cell_opened.connect(self.selection.choose_cell)
        self.notices.order_given.connect(self._order)
        self.selection.changed.connect(self.tick)
        self.selection.front_wanted.connect(self.layouts.bring)
        self.layouts.seen_changed.connect(lambda: self.turns.put("look", self.tick))
        self.look.changed.connect(self._restyle)
        self.dialogs.engine_changed.connect(self._begin_anew)
        self.session.name_changed.connect(self._name)

    def _handlers(self) -> Handlers:
        """What each action does."""
        found: dict[str, Callable[[], object]] = {
            "connect": self.session.toggle,
            "quit": self.close,
            "help": self.help.toggle,
            "full_screen": self.toggle_full_screen,
            "dismiss": self._dismiss,
        }
        for name, view in self.views.items():
            told = view.handlers()
            if view.asks:
                told = {key: partial(self._if_visible, name, act) for key, act in told.items()}
            found.update(told)
        for part in (self.selection, self.dialogs, self.notices, self.layouts, self.look):
            found.update(part.handlers())
        return found

    def _ticks(self) -> dict[str, bool]:
        """Which actions have a tick in their menus."""
        found: dict[str, bool] = {"full_screen": self.isFullScreen()}
        for part in (self.selection, self.layouts):
            found |= part.ticks()
        cell = self.snapshot.cell(self.selection.choice.cell)
        policy = (cell or {}).get("policy") or {}
        return found | {f"policy_{mode}": policy.get("mode") == mode for mode in MODES}

    def _order(self, order: Order) -> None:
        """Hands an order to the engine, in the operator's name."""
        self.client.order(replace(order, by=self._operator()))

    # --- repainting -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Fetches the newest snapshot and repaints visible views that have changed, one view at
        each turn of the event loop."""
        self.snapshot = snapshot = self.client.snapshot()
        self.selection.follow(snapshot)
        choice, on_board = self.selection.choice, self.selection.on_board
        self.pages.setCurrentWidget(self.board if on_board else self.bench)
        self.status.draw(snapshot, choice)
        seen = self.layouts.visible()
        ages = round(snapshot.silent_s) if on_board else 0
        drawn = (snapshot.number, snapshot.linked, choice, seen, on_board, ages)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self.notices.draw(snapshot)
        if on_board:
            self.client.query(overview.queries(snapshot))
            self.turns.put("board", partial(self.board.draw, snapshot, choice))
            return
        self._show_wanted()
        names = [*(n for n, v in self._fixed.items() if v.is_wanted(choice)), *seen]
        pixels = {name: self.views[name].pixels for name in names}
        self.client.query(queries(snapshot, choice, pixels))
        for name, view in self.views.items():
            if view.asks:
                view.draw(snapshot, choice)
            elif name in pixels:
                self.turns.put(name, partial(view.draw, snapshot, choice))

    def _show_wanted(self) -> None:
        for view in self._fixed.values():
            view.setVisible(view.is_wanted(self.selection.choice))

    def bring(self, name: str) -> None:
        """Shows the chosen cell, with this view at the front."""
        self.layouts.bring(name)
        self.selection.leave_board()

    def _if_visible(self, name: str, act: Callable[[], object]) -> None:
        """Does what asks the acquisition for something. Where its view is not seen, it is only
        brought to the front: nothing is asked for a cell that is not looked at."""
        if not self.selection.on_board and name in self.layouts.visible():
            act()
        else:
            self.bring(name)

    def _dismiss(self) -> None:
        """What was about to be asked; whatever lies over the views; then the chosen pit."""
        if any(view.dismiss() for view in self.views.values()):
            return
        over = [panel for panel in (self.help, self.session) if panel.isVisible()]
        for panel in over:
            panel.hide()
        if not over:
            self.notices.dismiss()
            self.selection.choose(pit=None)

    def _begin_anew(self) -> None:
        self._drawn = ()
        self.turns.clear()
        self.selection.begin_anew()
        self.tick()

    def _restyle(self) -> None:
        for view in self.views.values():
            view.restyle()
        self.board.restyle()
        self.help.restyle()
        self._drawn = ()
        self.tick()

    def screenshot(self, path: Path | str) -> None:
        """Writes the window as it is into a picture. Raises PitwatchError if that fails."""
        self.turns.finish()
        # texts that have just changed take their room first
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
        export.save(self, path)

    # --- the window, and what is kept for the user ------------------------------------------------

    def toggle_full_screen(self) -> None:
        """The whole screen, or a window."""
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    def restore(self) -> None:
        """Restores the user's window and views; call before the window is shown."""
        geometry = self.kept.value("geometry") if self.kept is not None else None
        if geometry is not None:
            self.restoreGeometry(geometry)
        elif self.size() != SIZE:
            self.setWindowState(Qt.WindowState.WindowMaximized)
        if self.kept is not None:
            self.layouts.restore(self.kept)

    def _operator(self) -> str:
        return typed(str(self.kept.value("operator", ""))) if self.kept is not None else ""

    def _about(self) -> str:
        """Cell and scan that are shown, for the name of a file."""
        scan = self.selection.shown()
        number = "" if scan is None else f"-scan{scan['scan']}"
        return f"{self.selection.choice.cell or 'pitwatch'}{number}"

    def _name(self, operator: str) -> None:
        self._keep("operator", operator)
        self.status.operator = operator
        self.status.draw(self.snapshot, self.selection.choice)

    def _keep(self, name: str, value: Any) -> None:
        if self.kept is not None:
            self.kept.setValue(name, value)

    def showEvent(self, event: Any) -> None:
        """Sizes the views in proportion to the window's size on the screen."""
        super().showEvent(event)
        if self.kept is None or self.kept.value("layout") is None:
            self.layouts.proportion_once_visible(self.width(), self.height())

    def changeEvent(self, event: Any) -> None:
        """Notes that the window was left, or is in front again."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange:
            self.selection.be_watched(self.isActiveWindow())

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
