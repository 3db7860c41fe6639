"""One cell on the board: a card that is painted whole, so that a dozen of them cost little."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QHelpEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QToolTip

from monitor.gui.state.health import ending, is_ended
from monitor.gui.state.snapshot import Answer, Choice, Snapshot
from monitor.gui.views.overview.facts import cell_facts, clear_of_noise, map_words
from monitor.gui.views.overview.paint import Brush, Shown
from monitor.gui.widgets import theme
from monitor.gui.widgets.icons import picture, proportions, scale_of
from monitor.gui.widgets.plain_text import tip_text
from monitor.plain_text import visible

USUAL, LEAST = (330, 240), (250, 205)
"""Width and height at which letters have their usual size, and the smallest of a card."""
SMALLEST, LARGEST, GROWTH = 0.88, 2.2, 0.7
"""Letters of a card against the usual ones: they grow slower than the card, so that maps gain."""
OPENING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


def letters(width: float, height: float, scale: float) -> float:
    """How much larger than usual the letters of a card of this size (px) are."""
    usual_w, usual_h = (side * scale for side in USUAL)
    grown = min(width / usual_w, height / usual_h)
    return float(min(LARGEST, max(SMALLEST, grown if grown < 1 else grown**GROWTH)))


class CellCard(QFrame):
    """Draws one cell; tells that it was clicked, or chosen with the keyboard."""

    opened = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.name = name
        self.shown: Shown | None = None
        self._image: QImage | None = None
        self._told: Answer | None = None
        self._drawn: tuple[Any, ...] = ()
        self._pictured: tuple[Answer | None, str] = (None, "")
        self._tips: list[tuple[QRectF, str]] = []
        self.restyle()

    def restyle(self) -> None:
        """Takes on the colours and sizes of the look that was applied last."""
        self.setMinimumSize(QSize(*(theme.px(side) for side in LEAST)))
        self._pictured = (None, "")
        self._drawn = ()
        self.update()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the newest of the cell."""
        facts = cell_facts(snapshot, self.name)
        answer = snapshot.answer(f"board {self.name}", self.name)
        chosen = choice.cell == self.name
        drawn = (facts, answer, choice.colours, chosen)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        if (answer, choice.colours) != self._pictured:
            self._pictured = (answer, choice.colours)
            self._told = clear_of_noise(answer, snapshot.cell(self.name)) if answer else None
            self._image = picture(self._told, choice.colours) if self._told else None
        has_scans = bool((snapshot.cell(self.name) or {}).get("scans"))
        ended = ending(snapshot) if is_ended(snapshot, self.name) else ""
        wide = proportions(answer) if answer else 1.0
        scale = scale_of(self._told, choice.colours) if self._told and self._image else None
        words = map_words(self._told, has_scans, ended)
        self.shown = Shown(facts, self._image, scale, wide, *words)
        self.setAccessibleName(visible(f"{facts.name}: {facts.state} {facts.age}, {facts.why}"))
        if self.property("chosen") != chosen:
            self.setProperty("chosen", chosen)
            self.style().unpolish(self)
            self.style().polish(self)
        self.update()

    def tip_at(self, x: float, y: float) -> str:
        """What is said of the part of the card at this place."""
        return next((tip for box, tip in self._tips if box.contains(x, y)), "")

    def event(self, event: QEvent) -> bool:
        """Tips differ from part to part."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            tip = tip_text(self.tip_at(event.x(), event.y()))
            QToolTip.showText(event.globalPos(), tip, self)
            return True
        return bool(super().event(event))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click anywhere on the card opens the cell."""
        inside = self.rect().contains(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and inside:
            self.opened.emit(self.name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the cell that has the keyboard."""
        if event.key() in OPENING:
            self.opened.emit(self.name)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The frame by the style sheet, all else by hand."""
        super().paintEvent(event)
        if self.shown is None:
            return
        grown = letters(self.width(), self.height(), theme.scale())
        size = theme.POINT_SIZE * theme.scale() * grown
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        brush = Brush(painter, size, self._tips)
        brush.card(self.width(), self.height(), self.shown)
        if self.hasFocus() or self.underMouse():
            brush.outline(self.width(), self.height(), keyboard=self.hasFocus())
        painter.end()
