"""The table of pits as Qt's views want it: filtered, sorted by number, unknown values last."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from monitor.gui.formatting import number
from monitor.gui.views.pits.filter import Filter
from monitor.gui.widgets.plain_text import tip_text
from monitor.plain_text import csv_field, visible_lines

Index = QModelIndex | QPersistentModelIndex
POWERS = {1: "", 2: "²", 3: "³"}
SMALLEST = "< 1e-300"
"""A chance that is smaller than numbers can hold."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the reply. `power`: of the length that it is in, 0 where it is none; `unit`: of
    what is no length; `digits` after the point, None for whole numbers."""

    name: str
    title: str
    tip: str
    power: int = 0
    unit: str = ""
    digits: int | None = 1

    def key(self, word: str) -> str:
        """Its name in the reply, where lengths end in `word` (um or voxel)."""
        if not self.power:
            return self.name
        return f"{self.name}_{word}" + (str(self.power) if self.power > 1 else "")

    def unit_text(self, length_unit: str) -> str:
        """Its unit as an operator reads it."""
        return f"{length_unit}{POWERS[self.power]}" if self.power else self.unit


COLUMNS = (
    Column("id", "Pit", "Number of the pit, the same in all scans", digits=None),
    Column("first_scan", "Since", "First scan in which the pit is significant", digits=None),
    Column(
        "depth_max",
        "Depth",
        "Maximum pit depth: of its deepest point below the plateau (ASTM G46, ISO 11463)",
        power=1,
    ),
    Column(
        "diameter",
        "Diameter",
        "Of the circle with the area of the opening: 2·√(area/π)",
        power=1,
    ),
    Column("area", "Area", "Pit size: area of the opening at the surface (ASTM G46)", 2, digits=0),
    Column("volume", "Volume", "Lithium missing below the plateau, over the opening", 3, digits=0),
    Column("depth_mean", "Mean depth", "Average depth below the plateau, over the opening", 1),
    Column(
        "current_density_mA_cm2",
        "Current",
        "Mean of the cumulative current density over the opening",
        unit="mA/cm²",
        digits=2,
    ),
    Column("p_value", "p", "Chance that noise alone is as deep anywhere in the field", digits=-1),
    Column("parent", "From", "The pit that it split from, where it did", digits=None),
    Column("x", "x", "Centre of the opening, along the columns of the map", 1),
    Column("y", "y", "Centre of the opening, along the rows of the map", 1),
)
BY_DEPTH = next(i for i, column in enumerate(COLUMNS) if column.name == "depth_max")
ROOT = QModelIndex()


class PitsModel(QAbstractTableModel):
    """One scan's pits. All rows are replaced at once; sorting and filtering only move an index."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._said: Mapping[str, list[Any]] = {}
        self._values: dict[str, NDArray[np.float64]] = {}
        self._unit, self._word = "", "um"
        self._filter = Filter()
        self._by, self._falling = BY_DEPTH, True
        self._rows: NDArray[np.intp] = np.arange(0)

    def show(self, said: Mapping[str, list[Any]], length_unit: str) -> None:
        """Takes the columns of a reply; lengths in `length_unit` (µm or voxel)."""
        self.beginResetModel()
        self._said, self._unit = said, length_unit
        self._word = "um" if length_unit == "µm" else "voxel"
        self._values = {
            column.name: np.array(said[column.key(self._word)], np.float64)
            for column in COLUMNS
            if column.key(self._word) in said
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

    def row_of(self, pit: int | None) -> int | None:
        """The row of a pit; None where it is not shown."""
        if pit is None or "id" not in self._values:
            return None
        found = np.flatnonzero(self._values["id"][self._rows] == pit)
        return int(found[0]) if found.size else None

    def csv(self) -> str:
        """The rows that are shown, in their order (RFC 4180); units stand in the names."""
        text = io.StringIO()
        writer = csv.writer(text)
        keys = [column.key(self._word) for column in COLUMNS]
        keys = [key for key in keys if key in self._said]
        writer.writerow(map(csv_field, keys))
        writer.writerows([csv_field(self._said[key][i]) for key in keys] for i in self._rows)
        return text.getvalue()

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
        return _text(values[self._rows[index.row()]], column) if values is not None else "–"

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
            return tip_text(f"{column.tip}\nin {unit}" if unit else column.tip)
        return None


def _text(value: float, column: Column) -> str:
    """A number as it stands in the table."""
    if math.isnan(value):
        return "–"
    if column.digits is None:
        return f"{value:.0f}"
    if column.digits < 0:
        return SMALLEST if value == 0 else f"{value:.0e}"
    return number(float(value), column.digits)
