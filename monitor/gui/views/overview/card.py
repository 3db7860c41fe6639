"""One cell on the board: a card whose text and map grow with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from monitor.gui.state.health import MARKS, TIPS, ending, is_ended
from monitor.gui.state.snapshot import Answer, Choice, Snapshot
from monitor.gui.views.overview.facts import ROWS, CellFacts, cell_facts, clear_of_noise, map_words
from monitor.gui.widgets import theme
from monitor.gui.widgets.icons import picture, proportions, scale_of
from monitor.gui.widgets.plain_text import PlainLabel, set_tip
from monitor.plain_text import visible

USUAL, LEAST = (330, 240), (250, 205)
"""Width and height at which the text has its default size, and the smallest size of a card."""
SMALLEST, LARGEST, GROWTH = 0.88, 2.2, 0.7
"""Text size of a card relative to the default: it grows more slowly than the card, so that maps
gain."""
LINE = 15.0
"""Default height of a line in px; the sizes below are in lines."""
EDGE, AROUND_MAP, SCALE = 0.6, 8.2, 0.35
"""Margins at the sides, space above and below the map, and height of its colour scale."""
FACTS, FACTS_BELOW = 11.0, 20.0
"""Width of the facts beside the map, and below it, so that numbers are not far from their
titles."""
OPENING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
DUE_TIP = "Start of the last scheduled scan plus the period, in cell time"


def letters(width: float, height: float, scale: float) -> float:
    """Text size of a card of this size (px), relative to the default."""
    usual_w, usual_h = (side * scale for side in USUAL)
    grown = min(width / usual_w, height / usual_h)
    return float(min(LARGEST, max(SMALLEST, grown if grown < 1 else grown**GROWTH)))


def map_width(
    width: float, height: float, line: float, proportions: float = 1.0
) -> tuple[float, bool]:
    """Width of the map, width ÷ height `proportions`, in a card of this size (px), and whether it
    is beside the facts rather than above them: where it is larger."""
    inside, free = width - 2 * EDGE * line, height - AROUND_MAP * line
    beside = min(inside - (FACTS + EDGE) * line, (free - line) * proportions)
    above = min(inside, (free - (1.15 * ROWS + 1.0) * line) * proportions)
    return max(beside, above, 0.0), beside >= above


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a card shows: words, the small map, its colour scale, its width ÷ height, and the text
    below it or, if there is none, in its place."""

    facts: CellFacts
    image: QImage | None
    scale: QImage | None
    proportions: float
    caption: str
    absent: str


class Line(PlainLabel):
    """A line of text in a colour of its own, cut with dots if there is no room for it."""

    def __init__(self, name: str = "", side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self._colour = ""

    def say(self, text: str, colour: str, tip: str = "") -> None:
        """Shows a text."""
        if (visible(text), colour) != (self.text(), self._colour):
            self._colour = colour
            self.setText(visible(text))
        set_tip(self, tip)

    def minimumSizeHint(self) -> QSize:
        """As narrow as necessary."""
        return QSize(1, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws as much of the text as there is room for."""
        painter = QPainter(self)
        painter.setPen(QColor(self._colour))
        metrics, right = self.fontMetrics(), Qt.TextElideMode.ElideRight
        cut = metrics.elidedText(self.text(), right, self.width())
        painter.drawText(self.rect(), int(self.alignment()), cut)
        painter.end()


class MapPicture(QWidget):
    """The small map with its colour scale, or why there is none."""

    shown: Shown | None = None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the map as large as possible, in the proportions of the measured field."""
        if self.shown is None:
            return
        colours, shown, under = theme.palette(), self.shown, SCALE * self.fontMetrics().height()
        high = self.height() - under - 4
        wide = max(0.0, min(self.width() - 1.0, high * shown.proportions))
        box = QRectF(0, 0, wide, wide / shown.proportions)
        box.moveCenter(QPointF(self.width() / 2, high / 2))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if shown.image is None:
            painter.fillRect(box, QColor(colours.empty))
            painter.setPen(QColor(colours.muted))
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(box, int(wrapped), visible(shown.absent))
        painter.setPen(QColor(colours.line))
        scale = QRectF(box.left(), box.bottom() + 2, wide, under)
        for place, image in ((box, shown.image), (scale, shown.scale)):
            if image is not None:
                painter.drawImage(place, image)
                painter.drawRect(place)
        painter.end()


class CellCard(QFrame):
    """Draws one cell; emits that it was clicked, or chosen with the keyboard."""

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
        self._lay_out()
        self.restyle()

    def _lay_out(self) -> None:
        right, middle = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignHCenter
        self.title, self.state, self.why = Line("head"), Line("head", right), Line()
        self.picture, self.caption = MapPicture(), Line("small", middle)
        self.bar, self.due, self.news = QProgressBar(), Line(), Line()
        set_tip(self.bar, "Received slices of the running scan")
        self.facts = QWidget()
        self.facts.setObjectName("bar")
        grid = QGridLayout(self.facts)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(0)
        self.rows = [(Line(), Line(side=right)) for _ in range(ROWS)]
        for row, pair in enumerate(self.rows):
            for column, line in enumerate(pair):
                grid.addWidget(line, row, column)
        head, left = QHBoxLayout(), QVBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.state)
        left.setSpacing(0)
        left.addStretch(1)
        left.addWidget(self.picture, 1000)
        left.addWidget(self.caption)
        left.addStretch(1)
        self.caption.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._middle = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._middle.addLayout(left, 9)
        self._middle.addWidget(self.facts, 1, middle)
        self._middle.addStretch()
        body = QVBoxLayout(self)
        body.setSpacing(2)
        body.addLayout(head)
        body.addWidget(self.why)
        body.addLayout(self._middle, 1)
        for part in (self.bar, self.due, self.news):
            body.addWidget(part)

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self.setMinimumSize(QSize(*(theme.px(side) for side in LEAST)))
        self._pictured = (None, "")
        self._drawn = ()
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Scales the text with the card, and places the map where it is largest."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        grown = letters(self.width(), self.height(), theme.scale())
        sheet = _sheet(theme.POINT_SIZE * theme.scale() * grown)
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)
        line = LINE * theme.scale() * grown
        shape = 1.0 if self.shown is None else self.shown.proportions
        wide, beside = map_width(self.width(), self.height(), line, shape)
        way = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        self._middle.setDirection(way)
        inside = self.width() - 2 * EDGE * line
        facts = min(FACTS * line, 0.55 * inside) if beside else min(FACTS_BELOW * line, inside)
        self.facts.setFixedWidth(round(facts))
        self.facts.setMaximumHeight(round(ROWS * line * (2.0 if beside else 1.6)))
        self.picture.setMaximumHeight(round(wide / shape + line))
        self._middle.setSpacing(round(EDGE * line))

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
        cell = snapshot.cell(self.name)
        running = (cell or {}).get("running")
        ended = ending(snapshot) if is_ended(snapshot, self.name) else ""
        wide = proportions(answer) if answer else 1.0
        scale = scale_of(self._told, choice.colours) if self._told and self._image else None
        words = map_words(
            self._told, bool(cell and cell["scans"]), ended, running and running["scan"]
        )
        self.shown = Shown(facts, self._image, scale, wide, *words)
        self.setAccessibleName(visible(f"{facts.name}: {facts.state} {facts.age}, {facts.why}"))
        if self.property("chosen") != chosen:
            self.setProperty("chosen", chosen)
            self.style().unpolish(self)
            self.style().polish(self)
        self._say(self.shown)

    def _say(self, shown: Shown) -> None:
        colours, facts = theme.palette(), shown.facts
        health = f"{facts.why}\n\n{TIPS['cell']}"
        state = f"{MARKS[facts.state]} {facts.state} {facts.age}".rstrip()
        self.title.say(facts.name, colours.text, health)
        self.state.say(state, theme.state_colour(facts.state), health)
        self.why.say(facts.why, colours.muted, facts.why)
        tip = f"Colour scale: {shown.caption}; grey is not measurable"
        self.caption.say(shown.caption, colours.muted, tip)
        self.picture.shown = shown
        set_tip(self.picture, shown.absent or f"The newest scan that has a map. {tip}")
        self.picture.update()
        for (title, value), fact in zip(self.rows, facts.rows, strict=True):
            title.say(fact.title, colours.muted, fact.tip)
            value.say(fact.value, getattr(colours, fact.tone), fact.tip)
        came, there_are = facts.progress or (0, 1)
        self.bar.setEnabled(facts.progress is not None)
        self.bar.setRange(0, max(1, there_are))
        self.bar.setValue(min(came, there_are))
        self.bar.setFormat(visible(facts.scanning))
        self.due.say(facts.due, getattr(colours, facts.due_tone), DUE_TIP)
        news = facts.news or "no alarm and no onset"
        self.news.say(news, getattr(colours, facts.news_tone), f"Newest alarm or onset: {news}")
        self._fit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click anywhere on the card opens the cell."""
        inside = self.rect().contains(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and inside:
            self.opened.emit(self.name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the cell that has the focus."""
        if event.key() in OPENING:
            self.opened.emit(self.name)
        else:
            super().keyPressEvent(event)


def _sheet(points: float) -> str:
    """Sizes of a card's letters, and its edge where it has the keyboard or is under the mouse."""
    c, bar = theme.palette(), round(1.9 * points)
    return f"""
* {{ font-size: {points:.1f}pt; }}
QLabel#head {{ font-size: {1.35 * points:.1f}pt; font-weight: 700; }}
QLabel#small {{ font-size: {0.85 * points:.1f}pt; }}
QProgressBar {{ min-height: {bar}px; max-height: {bar}px; }}
QProgressBar:disabled {{ color: {c.muted}; }}
CellCard:hover {{ border: 1px solid {c.accent}; }}
CellCard:focus {{ border: 2px dashed {c.accent}; }}
"""
