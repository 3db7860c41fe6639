"""The views as docks that can be moved, stacked, floated and hidden; each change can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from PySide6.QtCore import QByteArray, QEvent, QObject, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QFrame,
    QMainWindow,
    QScrollArea,
    QTabBar,
    QTabWidget,
    QWidget,
)

from monitor.gui.actions import Handlers
from monitor.gui.views.registry import ViewSpec
from monitor.gui.widgets import theme
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View, menu_of

LEAST_CELL = 295
"""Pixels that all numbers of a cell take at the usual text size."""
LEFT, BELOW_CELL = (304, 355), 280
"""Width of the left column and height of the cell in it, and the room that is left for menus and
acquisition, at the usual text size."""
SETTLE_MS = 400
MAX_STEPS = 50
VERSION = 2
Area = Qt.DockWidgetArea
AREAS = {
    "left": Area.LeftDockWidgetArea,
    "right": Area.RightDockWidgetArea,
    "bottom": Area.BottomDockWidgetArea,
}


class Dock(QDockWidget):
    """A view in a dock, with its title line as the handle; a right click opens the menu."""

    def __init__(self, spec: ViewSpec, view: View) -> None:
        super().__init__(spec.title)
        self._view = view
        self.setObjectName(spec.name)
        self.setWidget(scrolled(view))
        bar = view.bar
        bar.setParent(None)
        bar.setContentsMargins(8, 3, 8, 1)
        set_tip(bar, "Drag to move this view; right-click for more")
        self.setTitleBarWidget(bar)
        self.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetMovable
            | QDockWidget.DockWidgetFeature.DockWidgetFloatable
            | QDockWidget.DockWidgetFeature.DockWidgetClosable
        )

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Menu: hide or detach the view, copy or save what it shows."""
        menu = menu_of(self)
        menu.addAction(
            "Attach to the window" if self.isFloating() else "Detach from the window",
            lambda: self.setFloating(not self.isFloating()),
        )
        menu.addAction("Hide", self.hide)
        menu.addSeparator()
        self._view.offer(menu)
        menu.popup(event.globalPos())


def scrolled(inside: QWidget) -> QScrollArea:
    """A widget that scrolls if it has less room than it needs, as with larger text."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(inside)
    return area


class Layouts(QObject):
    """Layout of the views, kept for each user and undone step by step. Emits a signal when other
    views may have become visible."""

    seen_changed = Signal()

    def __init__(
        self, bench: QMainWindow, specs: Iterable[ViewSpec], views: Mapping[str, View]
    ) -> None:
        super().__init__(bench)
        self._bench = bench
        self._specs = [spec for spec in specs if spec.is_dock]
        self.docks = {spec.name: Dock(spec, views[spec.name]) for spec in self._specs}
        # an alarm takes height from the docks: what this one loses, it would not get back
        self.docks["cell"].widget().setMinimumHeight(LEAST_CELL)
        self._past: list[QByteArray] = []
        self._future: list[QByteArray] = []
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self.note)
        bench.setDockOptions(
            QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks
        )
        for corner, area in (
            (Qt.Corner.TopLeftCorner, Area.LeftDockWidgetArea),
            (Qt.Corner.BottomLeftCorner, Area.BottomDockWidgetArea),
            (Qt.Corner.TopRightCorner, Area.RightDockWidgetArea),
            (Qt.Corner.BottomRightCorner, Area.RightDockWidgetArea),
        ):
            bench.setCorner(corner, area)
        for area in AREAS.values():
            bench.setTabPosition(area, QTabWidget.TabPosition.North)
        self._arrange()
        for dock in self.docks.values():
            # bound methods: they end with this object, a lambda would outlive it
            dock.topLevelChanged.connect(self._changed)
            dock.dockLocationChanged.connect(self._changed)
            dock.visibilityChanged.connect(self._changed)
            dock.visibilityChanged.connect(self.seen_changed)
            dock.installEventFilter(self)
        self._first = bench.saveState(VERSION)
        self._past.append(self._first)
        self._to_proportion: tuple[int, int] | None = None
        bench.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notes that the operator resized a dock, which can be undone too; and that the docks are
        shown for the first time, after the board."""
        if watched is self._bench:
            if event.type() == QEvent.Type.Show and self._to_proportion is not None:
                QTimer.singleShot(0, self._proportion_if_visible)
        elif event.type() == QEvent.Type.Resize:
            self._settle.start()
        return False

    def proportion_once_visible(self, width: int, height: int) -> None:
        """Like `proportion`, as soon as the docks are laid out: with several cells the board
        initially hides them, and until they are visible Qt keeps each at its minimum size."""
        self._to_proportion = width, height
        QTimer.singleShot(0, self._proportion_if_visible)

    def _proportion_if_visible(self) -> None:
        if self._to_proportion is not None and self._bench.isVisible():
            size, self._to_proportion = self._to_proportion, None
            self.proportion(*size)

    def _changed(self, *_: object) -> None:
        self._settle.start()

    def _arrange(self) -> None:
        """The default places of the views."""
        stacks: dict[str, list[Dock]] = {}
        for spec in self._specs:
            dock = self.docks[spec.name]
            if spec.place in stacks:
                self._bench.tabifyDockWidget(stacks[spec.place][-1], dock)
            else:
                self._bench.addDockWidget(AREAS[spec.area], dock)
            stacks.setdefault(spec.place, []).append(dock)
        for stack in stacks.values():
            stack[0].raise_()

    def proportion(self, width: int, height: int) -> None:
        """Sizes the docks in their default proportions, for a window of this size."""
        docks = self.docks
        flat = Qt.Orientation.Horizontal
        left = max(int(0.185 * width), theme.px(LEFT[0]))
        self._bench.resizeDocks([docks["cell"], docks["trend"]], [left, int(0.37 * width)], flat)
        upright = Qt.Orientation.Vertical
        below = int(0.23 * height)
        cell = max(1, min(theme.px(LEFT[1]), height - below - theme.px(BELOW_CELL)))
        self._bench.resizeDocks([docks["section"]], [below], upright)
        self._bench.resizeDocks(
            [docks["cell"], docks["acquisition"]], [cell, max(1, height - below - cell)], upright
        )
        self._bench.resizeDocks(
            [docks["trend"], docks["pits"]], [int(0.64 * height), int(0.36 * height)], upright
        )
        self._first = self._bench.saveState(VERSION)
        self._past, self._future = [self._first], []

    def visible(self) -> tuple[str, ...]:
        """The views that can be visible: not hidden, and on top of their stack."""
        # Qt takes a view behind others for visible: it only lies outside of the window
        return tuple(
            name for name, dock in self.docks.items() if not dock.widget().visibleRegion().isEmpty()
        )

    def handlers(self) -> Handlers:
        """Its functions, by the names of actions."""
        shown = {f"show_{name}": partial(self.show, name) for name in self.docks}
        return {"undo": self.undo, "redo": self.redo, "default_layout": self.reset, **shown}

    def ticks(self) -> dict[str, bool]:
        """Which views are shown, by the names of actions."""
        return {f"show_{name}": not dock.isHidden() for name, dock in self.docks.items()}

    def show(self, name: str) -> None:
        """Brings a view to the front; hides it if it is there already and alone."""
        dock = self.docks[name]
        if dock.widget().isVisible() and not self._bench.tabifiedDockWidgets(dock):
            dock.hide()
        else:
            dock.show()
            dock.raise_()

    def bring(self, name: str) -> None:
        """Brings a view to the front."""
        self.docks[name].show()
        self.docks[name].raise_()

    def _tidy(self) -> None:
        """Hides the tab bars that Qt leaves behind where a stack grew: they bear fewer tabs than
        the stack has."""
        by_title = {dock.windowTitle(): dock for dock in self.docks.values()}
        for bar in self._bench.findChildren(QTabBar):
            dock = by_title.get(bar.tabText(0))
            if dock is not None:
                stack = [d for d in self._bench.tabifiedDockWidgets(dock) if not d.isHidden()]
                bar.setVisible(bar.count() == len(stack) + 1)

    def note(self) -> None:
        """Remembers the layout as it is now, as a step that can be undone."""
        self._tidy()
        now = self._bench.saveState(VERSION)
        if not self._bench.isVisible() or now == self._past[-1]:
            return
        self._past = [*self._past[-MAX_STEPS:], now]
        self._future = []

    def undo(self) -> None:
        """Restores the layout before the last change."""
        self.note()
        if len(self._past) > 1:
            self._future.append(self._past.pop())
            self._put(self._past[-1])

    def redo(self) -> None:
        """Restores the layout that was undone last."""
        if self._future:
            self._past.append(self._future.pop())
            self._put(self._past[-1])

    def reset(self) -> None:
        """Restores the default layout."""
        self.note()
        self._past.append(self._first)
        self._put(self._first)

    def _put(self, state: QByteArray) -> None:
        self._bench.restoreState(state, VERSION)
        self._settle.stop()

    def save(self, kept: QSettings) -> None:
        """Keeps the layout for this user."""
        kept.setValue("layout", self._bench.saveState(VERSION))

    def restore(self, kept: QSettings) -> None:
        """Restores the layout that this user had last; a layout of another version is ignored."""
        state = kept.value("layout")
        if isinstance(state, QByteArray) and self._bench.restoreState(state, VERSION):
            self._past = [self._bench.saveState(VERSION)]


def bench_of(central: QWidget) -> QMainWindow:
    """A main window inside of another: docks around `central`."""
    bench = QMainWindow()
    bench.setWindowFlags(Qt.WindowType.Widget)
    bench.setCentralWidget(scrolled(central))
    return bench
