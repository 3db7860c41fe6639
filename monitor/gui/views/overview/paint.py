"""How a card of the board is painted: where its parts lie, and the parts."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from monitor.gui.state.health import TIPS
from monitor.gui.views.overview.facts import CellFacts
from monitor.gui.widgets import theme
from monitor.gui.widgets.icons import draw_state
from monitor.plain_text import visible

SCALE = 0.35
"""Height of the colour scale below a map, in lines."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a card shows: words, the small map, its colour scale, its width ÷ height, and what
    stands under it or, if there is none, in its place."""

    facts: CellFacts
    image: QImage | None
    scale: QImage | None
    proportions: float
    caption: str
    absent: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of a card lie."""

    head: QRectF
    why: QRectF
    map: QRectF
    caption: QRectF
    facts: QRectF
    bar: QRectF
    due: QRectF
    news: QRectF


def places(width: float, height: float, line: float, rows: int, proportions: float = 1.0) -> Places:
    """Parts of a card of this size whose lines are `line` px high: the map, of these
    `proportions`, beside the facts or above them, wherever it gets larger."""
    edge = 0.6 * line
    x, w = edge, width - 2 * edge
    head = QRectF(x, edge, w, 1.5 * line)
    why = QRectF(x, head.bottom(), w, 1.1 * line)
    news = QRectF(x, height - edge - 1.1 * line, w, 1.1 * line)
    due = QRectF(x, news.top() - 1.1 * line, w, 1.1 * line)
    bar = QRectF(x, due.top() - 1.3 * line, w, 1.2 * line)
    top = why.bottom() + 0.2 * line
    free = bar.top() - 0.3 * line - top
    free -= SCALE * line
    facts_w, facts_h = min(11.0 * line, 0.55 * w), rows * 1.12 * line
    beside = _fitted(w - facts_w - edge, free - 1.1 * line, proportions)
    above = _fitted(w, free - facts_h - 1.4 * line, proportions)
    if above[0] > beside[0]:
        room = w
        map_box = QRectF(x + (w - above[0]) / 2, top, *above)
        under = map_box.bottom() + (1.3 + SCALE) * line
        # in a wide card numbers would stand far from what they are
        narrow = min(w, 20.0 * line)
        facts_h = min(top + free - under, 1.6 * line * rows)
        facts = QRectF(x + (w - narrow) / 2, under, narrow, facts_h)
    else:
        room = w - facts_w - edge
        down = top + (free - 1.1 * line - beside[1]) / 2
        map_box = QRectF(x + (room - beside[0]) / 2, down, *beside)
        facts_h = min(free, max(facts_h, beside[1], 1.3 * line * rows))
        facts = QRectF(x + w - facts_w, min(down, top + free - facts_h), facts_w, facts_h)
    caption = QRectF(x, map_box.bottom(), room, 1.1 * line)
    return Places(head, why, map_box, caption, facts, bar, due, news)


def _fitted(width: float, height: float, proportions: float) -> tuple[float, float]:
    """Width and height of the largest box of these proportions that fits."""
    wide = max(0.0, min(width, height * proportions))
    return wide, wide / proportions


class Brush:
    """Paints the parts of one card; `tips` gets where each lies and what is said of it."""

    def __init__(self, painter: QPainter, size: float, tips: list[tuple[QRectF, str]]) -> None:
        self._painter, self._size, self._tips = painter, size, tips
        self.line = QFontMetricsF(self._font()).height()
        tips.clear()

    def card(self, width: float, height: float, shown: Shown) -> None:
        """The whole card, from its head to the newest alarm."""
        facts = shown.facts
        at = places(width, height, self.line, len(facts.rows), shown.proportions)
        self._head(at.head, facts)
        self._text(at.why, facts.why, "muted", tip=facts.why)
        self._map(at, shown)
        self._rows(at.facts, facts)
        self._bar(at.bar, facts)
        tip = "Start of the last scheduled scan plus the period, in cell time"
        self._text(at.due, facts.due, facts.due_tone, tip=tip)
        news = facts.news or "no alarm and no onset"
        self._text(at.news, news, facts.news_tone, tip=f"Newest alarm or onset: {news}")

    def outline(self, width: float, height: float, *, keyboard: bool) -> None:
        """Dashed where the card has the keyboard, thin where it is under the mouse."""
        style = Qt.PenStyle.DashLine if keyboard else Qt.PenStyle.SolidLine
        self._painter.setPen(QPen(QColor(theme.palette().accent), 2 if keyboard else 1, style))
        self._painter.setBrush(Qt.BrushStyle.NoBrush)
        self._painter.drawRoundedRect(QRectF(3, 3, width - 6, height - 6), 4, 4)

    def _head(self, box: QRectF, facts: CellFacts) -> None:
        words = f"{facts.state} {facts.age}".rstrip()
        font = self._font(1.35, bold=True)
        wide = QFontMetricsF(font).horizontalAdvance(words) + 2
        side = 0.8 * self.line
        state = QRectF(box.right() - wide, box.top(), wide, box.height())
        mark = QRectF(0, 0, side, side)
        mark.moveCenter(state.center())
        mark.moveRight(state.left() - 0.35 * self.line)
        draw_state(self._painter, facts.state, mark)
        self._write(state, words, theme.state_colour(facts.state), font, right=True)
        name = QRectF(box.left(), box.top(), mark.left() - box.left() - 4, box.height())
        self._write(name, facts.name, theme.palette().text, font)
        self._tips.append((box, f"{facts.why}\n\n{TIPS['cell']}"))

    def _map(self, at: Places, shown: Shown) -> None:
        if shown.image is None:
            self._painter.fillRect(at.map, QColor(theme.palette().empty))
            self._painter.setFont(self._font(0.9))
            self._painter.setPen(QColor(theme.palette().muted))
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            self._painter.drawText(at.map, int(wrapped), visible(shown.absent))
            self._tips.append((at.map, shown.absent))
            return
        self._painter.drawImage(at.map, shown.image)
        self._frame(at.map)
        under = QRectF(at.map.left(), at.caption.top() + 2, at.map.width(), SCALE * self.line)
        if shown.scale is not None:
            self._painter.drawImage(under, shown.scale)
            self._frame(under)
        tip = f"Colour scale: {shown.caption}; grey is not measurable"
        caption = at.caption.translated(0, SCALE * self.line)
        self._text(caption, shown.caption, "muted", 0.85, middle=True, tip=tip)
        self._tips.append((at.map, f"The newest scan that has a map. {tip}"))

    def _frame(self, box: QRectF) -> None:
        self._painter.setPen(QPen(QColor(theme.palette().line), 1))
        self._painter.setBrush(Qt.BrushStyle.NoBrush)
        self._painter.drawRect(box)

    def _rows(self, box: QRectF, facts: CellFacts) -> None:
        high = box.height() / max(1, len(facts.rows))
        for index, fact in enumerate(facts.rows):
            row = QRectF(box.left(), box.top() + index * high, box.width(), high)
            self._text(row, fact.title, "muted")
            self._text(row, fact.value, fact.tone, right=True, tip=fact.tip)

    def _bar(self, box: QRectF, facts: CellFacts) -> None:
        colours = theme.palette()
        self._painter.setPen(QPen(QColor(colours.line), 1))
        self._painter.setBrush(QColor(colours.field))
        self._painter.drawRoundedRect(box, 4, 4)
        if facts.progress:
            came, there_are = facts.progress
            part = QRectF(box)
            part.setWidth(box.width() * min(1.0, came / max(1, there_are)))
            self._painter.setPen(Qt.PenStyle.NoPen)
            self._painter.setBrush(QColor(colours.progress))
            self._painter.drawRoundedRect(part, 4, 4)
        tone = "text" if facts.progress else "muted"
        tip = "Received slices of the running scan"
        self._text(box, facts.scanning, tone, 0.9, middle=True, tip=tip)

    def _text(
        self,
        box: QRectF,
        words: str,
        tone: str,
        size: float = 1.0,
        *,
        right: bool = False,
        middle: bool = False,
        tip: str = "",
    ) -> None:
        colour = getattr(theme.palette(), tone)
        self._write(box, words, colour, self._font(size), right=right, middle=middle)
        if tip:
            self._tips.append((box, tip))

    def _write(
        self,
        box: QRectF,
        words: str,
        colour: str,
        font: QFont,
        *,
        right: bool = False,
        middle: bool = False,
    ) -> None:
        """One line, cut if there is no room for it."""
        self._painter.setFont(font)
        self._painter.setPen(QColor(colour))
        cut = QFontMetricsF(font).elidedText(
            visible(words), Qt.TextElideMode.ElideRight, box.width()
        )
        side = Qt.AlignmentFlag.AlignHCenter if middle else Qt.AlignmentFlag.AlignLeft
        side = Qt.AlignmentFlag.AlignRight if right else side
        self._painter.drawText(box, int(side | Qt.AlignmentFlag.AlignVCenter), cut)

    def _font(self, size: float = 1.0, *, bold: bool = False) -> QFont:
        font = QFont(theme.FAMILY)
        font.setPointSizeF(self._size * size)
        font.setBold(bold)
        return font
