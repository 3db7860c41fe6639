"""All cells at a glance: a card for each, in a grid that fills what room there is."""

from __future__ import annotations

import math
from itertools import pairwise

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from monitor.gui.state.queries import Queries
from monitor.gui.state.snapshot import Choice, Query, Snapshot
from monitor.gui.views.overview.card import LEAST, LINE, CellCard, letters, map_width
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label
from monitor.wire.results.queries import MapRequest

GAP = 6
FEW, MANY_PIXELS, FEW_PIXELS = 4, (256, 256), (96, 96)
"""Up to this many cells, small maps have more pixels."""
BEST_PROPORTIONS = 1.3


def columns_for(count: int, width: float, height: float, scale: float = 1.0) -> int:
    """Number of columns in which `count` cards are most readable: large maps and text, no gaps in
    the grid, cards that are not elongated. Rather a scroll bar below than at the side."""
    least_w, least_h = (side * scale for side in LEAST)

    def worth(columns: int) -> tuple[bool, bool, float]:
        rows = -(-count // columns)
        wide, high = width / columns - GAP, height / rows - GAP
        fits = wide >= least_w, high >= least_h
        wide, high = max(wide, least_w), max(high, least_h)
        grown = letters(wide, high, scale)
        side, _ = map_width(wide, high, LINE * scale * grown)
        drawn_out = abs(math.log(wide / high / BEST_PROPORTIONS))
        gain = side * grown * math.exp(-drawn_out / 2) * count / (rows * columns)
        return fits[0], fits[1], gain

    return max(range(1, max(1, count) + 1), key=worth)


def queries(snapshot: Snapshot) -> Queries:
    """A small map of the newest scan of each cell."""
    asked: Queries = {}
    cells = snapshot.cells
    shape = FEW_PIXELS if len(cells) > FEW else MANY_PIXELS
    for name, cell in cells.items():
        if not cell["scans"]:
            continue
        scan = cell["scans"][-1]
        wanted = "removal" if "removal" in scan["maps"] and scan["scan"] else "height"
        if wanted in scan["maps"]:
            request = MapRequest(name, scan["scan"], wanted, None, shape)
            asked[f"board {name}"] = Query(request, (scan["version"],))
    return asked


class Board(QWidget):
    """Draws a card for each cell; emits which one was opened."""

    cell_opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, CellCard] = {}
        self._made: dict[str, CellCard] = {}
        self._columns = 0
        inside = QWidget()
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(inside)
        self.empty = label("", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.empty, 1)
        column.addWidget(self._scroll, 1)
        self._scroll.hide()
        self.restyle()

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        for card in self.cards.values():
            card.restyle()
        self._arrange()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows all cells that the engine knows, in its order."""
        names = list(snapshot.cells)
        self.empty.setText(f"Waiting for the engine at {snapshot.address}")
        if names != list(self.cards):
            self._make(names)
        for card in self.cards.values():
            card.draw(snapshot, choice)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other proportions may need another number of columns."""
        super().resizeEvent(event)
        self._arrange()

    def _make(self, names: list[str]) -> None:
        for card in self.cards.values():
            self._grid.removeWidget(card)
            card.hide()
        # made once and kept: what Python holds of a widget is not always let go with it
        for name in names:
            if name not in self._made:
                self._made[name] = CellCard(name)
                self._made[name].opened.connect(self.cell_opened)
        self.cards = {name: self._made[name] for name in names}
        self._columns = 0
        self._arrange()
        self.empty.setVisible(not names)
        self._scroll.setVisible(bool(names))

    def _arrange(self) -> None:
        """Puts the cards into as many columns as suit the window."""
        if not self.cards:
            return
        columns = columns_for(len(self.cards), self.width(), self.height(), theme.scale())
        if columns == self._columns:
            return
        self._columns = columns
        cards = list(self.cards.values())
        for side in range(max(len(cards), self._grid.columnCount(), self._grid.rowCount())):
            self._grid.setColumnStretch(side, int(side < columns))
            self._grid.setRowStretch(side, int(side * columns < len(cards)))
        for index, card in enumerate(cards):
            self._grid.addWidget(card, index // columns, index % columns)
            card.show()
        for before, after in pairwise(cards):
            QWidget.setTabOrder(before, after)
