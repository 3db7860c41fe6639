"""The paper's table: one row per discharge."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from monitor.gui.formatting import column_head, value_text, with_error
from monitor.gui.state.snapshot import Choice, Snapshot, measure, number_of
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View
from monitor.gui.wording.charge import marked, why_preliminary
from monitor.plain_text import visible, visible_lines
from monitor.quantities.table import DISCHARGE_ROW
from monitor.wire.results.cells import TableRow

COLUMNS = tuple(DISCHARGE_ROW.values())
COULOMETRY = COLUMNS.index(DISCHARGE_ROW["coulometry"])


class DischargeTableView(View):
    """Draws the rows."""

    def __init__(self) -> None:
        super().__init__("Thickness reduction", "One row per discharge, at its last scan")
        self._drawn: object = None
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.table.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.table.verticalHeader().setDefaultSectionSize(24)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        quiet(self.table)
        self._name_columns("")
        self.none = label("No discharge yet", "muted")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.body.addWidget(self.none, 1)
        self.body.addWidget(self.table, 1)

    def _name_columns(self, unit: str) -> None:
        for i, column in enumerate(COLUMNS):
            item = QTableWidgetItem(visible_lines(column_head(column, unit)))
            set_tip(item, f"{column.title}: {column.help}")
            self.table.setHorizontalHeaderItem(i, item)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell's rows."""
        cell = snapshot.cell(choice.cell)
        rows = cell["table"] if cell else []
        unit = cell["scans"][-1]["length_unit"] if cell and cell["scans"] else ""
        if (rows, unit) == self._drawn:
            return
        self._drawn = (rows, unit)
        self.none.setVisible(not rows)
        self.table.setVisible(bool(rows))
        self._name_columns(unit)
        # a thickness by charge alone is in µm: beside lengths in voxels it could not be compared
        self.table.setColumnHidden(COULOMETRY, unit == "voxel")
        self.table.setRowCount(len(rows))
        for i, row in enumerate(rows):
            tip = why_preliminary(cell, row)
            for j, text in enumerate(_texts(row)):
                item = QTableWidgetItem(visible(text))
                set_tip(item, tip and f"≈ {tip}")
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(i, j, item)


def _texts(row: TableRow) -> list[str]:
    texts = []
    for name, column in DISCHARGE_ROW.items():
        value = measure(row, name) if column.is_length else number_of(row, name)
        text = value_text(column, value)
        if column.is_length and column.error:
            text = with_error(value, measure(row, column.error))
        texts.append(marked(row, text) if column.rests_on_charge else text)
    return texts
