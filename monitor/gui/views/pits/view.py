"""All pits of the shown scan as a table, and the growth of the chosen one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSplitter,
    QTableView,
)

from monitor.gui.actions import Handlers, keys_of
from monitor.gui.state.health import fetching, no_scan
from monitor.gui.state.queries import Looking, Queries
from monitor.gui.state.snapshot import Answer, Choice, Query, Snapshot, is_judged, shown_scan
from monitor.gui.views.pits.filter import TITLES, read_filter
from monitor.gui.views.pits.growth import PitGrowth
from monitor.gui.views.pits.table_model import BY_DEPTH, PitsModel
from monitor.gui.widgets import export, theme
from monitor.gui.widgets.controls import elastic, label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View
from monitor.wire.results.cells import Scan
from monitor.wire.results.queries import PitHistoryRequest

ANSWERS = ("pits", "map_pits")
"""The table of the shown scan, under either name."""

FILTER_TIP = (
    "Shows the pits for which all conditions hold:\n"
    "depth > 10 and diameter < 40      since = 3      id = 12\n"
    f"Columns: {', '.join(TITLES)}\n"
    "Signs: < <= > >= = !=; lengths in the unit of the table"
)
ROW, COLUMN, LETTER, ROOM = 22, 62, 7, 22
SHARES = 3, 2
"""Shares of the width for the table and the growth, until the operator moves the border."""
HINT = "Click a pit in the table or on the map to see how it grew"


def queries(at: Looking) -> Queries:
    """The history of the chosen pit; the table of pits comes with the map."""
    if at.scan is None or at.choice.pit is None:
        return {}
    mark = (at.cell["scans"][-1]["version"],)
    return {"pit_history": Query(PitHistoryRequest(at.choice.cell, at.choice.pit), mark)}


class PitsView(View):
    """Draws the table and the growth; emits which pit and which scan the operator chose."""

    def __init__(self) -> None:
        super().__init__("Pits", "Significant pits of the shown scan (ASTM G46, ISO 11463)")
        self._choice = Choice()
        self._shown: Scan | None = None
        self._pits: Answer | None = None
        self._unit = ""
        self._selected: int | None = None
        self.model = PitsModel(self)
        self.count = label("", "muted", "Pits that pass the filter, out of all in this scan")
        self.wrong = elastic(label())
        self.message = label("", "muted")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.hint = elastic(label(HINT, "muted"))
        self._make_controls()
        self._make_table()
        self.growth = PitGrowth()
        self.growth.scan_chosen.connect(self.scan_chosen)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.table)
        self.splitter.addWidget(self.growth)
        self.growth.hide()
        for i, share in enumerate(SHARES):
            self.splitter.setStretchFactor(i, share)
        self.body.addWidget(self.wrong)
        self.body.addWidget(self.splitter, 1)
        self.body.addWidget(self.message, 1)
        self.body.addWidget(self.hint)
        self.wrong.hide()
        self.restyle()

    def _make_controls(self) -> None:
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("depth > 10 and diameter < 40")
        set_tip(self.filter, FILTER_TIP)
        self.filter.setClearButtonEnabled(True)
        self.filter.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.filter.textChanged.connect(self._filter_changed)
        self.export = QPushButton("CSV")
        set_tip(self.export, "Export the shown rows, in their order, as CSV")
        self.export.clicked.connect(self.export_wanted)
        quiet(self.export)
        self.head.addWidget(self.count)
        self.head.addWidget(self.filter, 1)
        self.head.addWidget(self.export)

    def _make_table(self) -> None:
        self.table = PitTable()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        set_tip(
            self.table,
            f"Click a pit to select or deselect it ({keys_of('dismiss')}); click a heading to sort",
        )
        self.table.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        across = self.table.horizontalHeader()
        across.setSortIndicator(BY_DEPTH, Qt.SortOrder.DescendingOrder)
        across.setHighlightSections(False)
        self.table.setSortingEnabled(True)
        across.sortIndicatorChanged.connect(lambda *_: self._select())
        self.table.clicked.connect(self._clicked)
        self.table.moved.connect(self._moved)
        self.table.escaped.connect(lambda: self.pit_chosen.emit(None))

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self.wrong.setStyleSheet(f"color: {theme.palette().warn}")
        self.table.verticalHeader().setDefaultSectionSize(theme.px(ROW))
        across = self.table.horizontalHeader()
        across.setMinimumSectionSize(theme.px(40))
        for i in range(self.model.columnCount()):
            title = str(self.model.headerData(i, Qt.Orientation.Horizontal)).split("\n")[0]
            across.resizeSection(i, theme.px(max(COLUMN, LETTER * len(title) + ROOM)))
        self.table.setMinimumHeight(theme.px(4 * ROW))
        self.splitter.setStyleSheet(_style())
        self.growth.restyle()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the pits of the shown scan, and the history of the chosen one."""
        cell = snapshot.cell(choice.cell)
        self._choice, self._shown = choice, shown_scan(cell, choice)
        answer = self._answer(snapshot)
        problem = self._problem(snapshot, answer)
        self.message.setText(problem)
        self.message.setVisible(bool(problem))
        self.splitter.setVisible(not problem or choice.pit is not None)
        self.table.setVisible(not problem)
        self._show_growth(choice.pit is not None)
        self.hint.setVisible(not problem and choice.pit is None)
        self._draw_table(None if problem else answer)
        if choice.pit is not None:
            history = snapshot.answer("pit_history", choice.cell)
            self.growth.draw(history, cell, self._shown, choice)

    def csv(self) -> str:
        """The rows that are shown, in their order, with units in the names of the columns."""
        columns = self.model.columns()
        return export.table(self._choice.cell, [self._shown] * self.model.rowCount(), columns)

    def handlers(self) -> Handlers:
        return {"pits_csv": self.export_wanted.emit}

    def _show_growth(self, wanted: bool) -> None:
        """Opens the growth beside the table with its share of the width, or gives that back."""
        if wanted and self.growth.isHidden():
            width = self.splitter.width()
            self.growth.show()
            self.splitter.setSizes([width * share // sum(SHARES) for share in SHARES])
        self.growth.setVisible(wanted)

    def _answer(self, snapshot: Snapshot) -> Answer | None:
        """The table of the shown scan; that of another one is still on its way out."""
        number = self._shown["scan"] if self._shown else None
        for name in ANSWERS:
            found = snapshot.answer(name, self._choice.cell)
            if found is not None and (found.error or found.header.get("scan") == number):
                return found
        return None

    def _problem(self, snapshot: Snapshot, answer: Answer | None) -> str:
        if snapshot.state is None:
            return f"Waiting for the engine at {snapshot.address}"
        scan = self._shown
        if scan is None:
            return no_scan(snapshot, self._choice.cell)
        if "pit_labels" not in scan["maps"]:
            if not is_judged(scan):
                return f"Scan {scan['scan']}: pits are known once it has been evaluated"
            return f"Scan {scan['scan']} has no pits: there is no earlier scan to compare with"
        if answer is None:
            what = f"the pits of scan {scan['scan']}"
            return "" if self._pits is not None else fetching(snapshot, what)
        if not answer.error and not answer.columns["id"]:
            return f"No significant pit in scan {scan['scan']}"
        return answer.error

    def _draw_table(self, answer: Answer | None) -> None:
        """Shows a new table where it was; keeps the old one while its successor is on its way."""
        if answer is not None and self._shown is not None and answer is not self._pits:
            self._pits, self._unit = answer, self._shown["length_unit"]
            place = self.table.verticalScrollBar().value()
            self.model.show(answer.columns, self._unit)
            self._select()
            self.table.verticalScrollBar().setValue(place)
        if self._choice.pit != self._selected:
            self._selected = self._choice.pit
            self._select(scroll=True)
        self._tell_count()

    def _tell_count(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        pits = f"{total} pit" + ("" if total == 1 else "s")
        self.count.setText(pits if shown == total else f"{shown} of {pits}")
        self.count.setVisible(self._pits is not None)

    def _select(self, scroll: bool = False) -> None:
        """Marks the chosen pit's row, without telling anyone."""
        row = self.model.row_of(self._choice.pit)
        if row is None:
            self.table.clearSelection()
            self.table.setCurrentIndex(QModelIndex())
            return
        place = self.table.verticalScrollBar().value()
        self.table.selectRow(row)
        if scroll:
            self.table.scrollTo(self.model.index(row, 0))
        else:
            self.table.verticalScrollBar().setValue(place)

    def _filter_changed(self, text: str) -> None:
        found = read_filter(text)
        self.wrong.setText(found.why)
        set_tip(self.wrong, found.why)
        self.wrong.setVisible(bool(found.why))
        self.model.keep(found)
        self._select()
        self._tell_count()

    def _clicked(self, index: QModelIndex) -> None:
        pit = self.model.pit(index.row())
        if pit == self._choice.pit:
            self.pit_chosen.emit(None)
        else:
            self._moved(index.row())

    def _moved(self, row: int) -> None:
        """Chooses the pit of a row; crosshair and cross-section go there."""
        x, y = self.model.centre(row)
        if self._shown is not None:
            _, vy, vx = self._shown["voxel_size"]
            self.cross_moved.emit(round(y / vy), round(x / vx))
        self.pit_chosen.emit(self.model.pit(row))


def _style() -> str:
    """The card seen through between its parts; a bar along the bottom like those at the side."""
    c = theme.palette()
    return (
        "QSplitter { background: transparent; }"
        "QAbstractScrollArea::corner { background: transparent; border: none; }"
        f"QScrollBar:horizontal {{ background: {c.panel}; height: {theme.px(9)}px; }}"
        f"QScrollBar::handle:horizontal {{ background: {c.line}; border-radius: 4px;"
        "min-width: 20px; }"
        "QScrollBar::add-line:horizontal, QScrollBar::sub-line:horizontal { width: 0; }"
    )


class PitTable(QTableView):
    """A table that reports where the arrow keys led, and that Esc was pressed over a chosen row."""

    moved = Signal(int)
    escaped = Signal()

    def event(self, event: QEvent) -> bool:
        """Handles Esc before the window does, but only to deselect a row."""
        is_esc = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if is_esc and event.type() == QEvent.Type.ShortcutOverride and self._has_row():
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the chosen row; all else is the window's."""
        if event.key() == Qt.Key.Key_Escape and self._has_row():
            self.escaped.emit()
            return
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        row = self.currentIndex().row()
        if row not in (before, -1):
            self.moved.emit(row)

    def keyboardSearch(self, search: str) -> None:
        """Letters are the window's keys, not the beginning of a number."""

    def _has_row(self) -> bool:
        return self.selectionModel().hasSelection()
