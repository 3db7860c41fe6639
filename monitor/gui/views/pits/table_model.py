"""The table of pits as Qt's views want it: filtered, sorted by number, unknown values last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from monitor.gui.formatting import value_text
from monitor.gui.views.pits.filter import Filter
from monitor.gui.widgets.plain_text import tip_text
from monitor.plain_text import visible_lines
from monitor.quantities.table import PIT_COLUMNS

Index = QModelIndex | QPersistentModelIndex
COLUMNS = tuple(PIT_COLUMNS.values())
BY_DEPTH = COLUMNS.index(PIT_COLUMNS["depth_max"])
ROOT = QModelIndex()


class PitsModel(QAbstractTableModel):
    """One scan's pits. All rows are replaced at once; sorting and filtering only move an index."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._said: Mapping[str, list[Any]] = {}
        self._values: dict[str, NDArray[np.float64]] = {}
        self._unit = ""
        self._filter = Filter()
        self._by, self._falling = BY_DEPTH, True
        self._rows: NDArray[np.intp] = np.arange(0)

    def show(self, said: Mapping[str, list[Any]], length_unit: str) -> None:
        """Takes the columns of a reply; lengths in `length_unit` (µm or voxel)."""
        self.beginResetModel()
        self._said, self._unit = said, length_unit
        self._values = {
            name: np.array(said[column.key(length_unit)], np.float64)
            for name, column in PIT_COLUMNS.items()
            if column.key(length_unit) in said
        }
        if "parent" in self._values:
            self._values["parent"][self._values["parent"] < 0] = np.nan
        self._order()
        self.endResetModel()

    def keep(self, passing: Filter) -> None:
        """Shows the rows that pass."""
        if passing != self._filter:
            self.beginResetModel()
            self._filter = passing
            self._order()
            self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By the numbers of a column; equal ones by the pit's number, unknown ones last."""
        self.beginResetModel()
        self._by, self._falling = column, order == Qt.SortOrder.DescendingOrder
        self._order()
        self.endResetModel()

    def _order(self) -> None:
        rows = self._filter.rows(self._values, self.total)
        none = np.full(self.total, np.nan)
        keys = self._values.get(COLUMNS[self._by].name, none)[rows]
        # NaN stays last whichever way the numbers run
        keys = -keys if self._falling else keys
        self._rows = rows[np.lexsort((self._values.get("id", none)[rows], keys))]

    @property
    def total(self) -> int:
        """Number of pits, shown or not."""
        return len(self._said.get("id", ()))

    def pit(self, row: int) -> int:
        """The number of the pit in a row."""
        return int(self._values["id"][self._rows[row]])

    def centre(self, row: int) -> tuple[float, float]:
        """x and y of the pit in a row, in the unit of the table."""
        at = self._rows[row]
        return float(self._values["x"][at]), float(self._values["y"][at])

    def row_of(self, pit: int | None) -> int | None:
        """The row of a pit; None if it is not shown."""
        if pit is None or "id" not in self._values:
            return None
        found = np.flatnonzero(self._values["id"][self._rows] == pit)
        return int(found[0]) if found.size else None

    def columns(self) -> dict[str, list[Any]]:
        """The rows that are shown, in their order; units are in the names."""
        keys = [column.key(self._unit) for column in COLUMNS]
        return {k: [self._said[k][i] for i in self._rows] for k in keys if k in self._said}

    def rowCount(self, parent: Index = ROOT) -> int:
        """Number of rows that pass the filter."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text or alignment of one place."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        column = COLUMNS[index.column()]
        values = self._values.get(column.name)
        return "–" if values is None else value_text(column, float(values[self._rows[index.row()]]))

    def headerData(
        self, section: int, across: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Title with unit, and what it means."""
        if across != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        unit = column.unit_text(self._unit)
        if role == Qt.ItemDataRole.DisplayRole:
            return visible_lines(f"{column.title}\n{unit}")
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_text(f"{column.help}\nin {unit}" if unit else column.help)
        return None
