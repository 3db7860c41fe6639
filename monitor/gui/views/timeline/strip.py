"""The axis with a mark for each scan, painted by hand so that hundreds cost little."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from monitor.gui.views.timeline.marks import Mark, Timeline, hit, places, radius, ticks
from monitor.gui.widgets import theme
from monitor.gui.widgets.plain_text import tip_text
from monitor.plain_text import visible

LARGEST, SPECIAL, SMALLEST = 6.5, 3.2, 1.8
REACH, EDGE = 16.0, 16.0
"""Sizes in px at the usual letters: of a mark, at least where it is a special one, at least; how
near a click must be, and what is left free beside the axis."""
DUE = "The next scheduled scan is due here"


class TimelineStrip(QWidget):
    """Draws the marks; reports which scan was clicked, and which with Ctrl or the right button."""

    scan_clicked = Signal(int)
    scan_marked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.shown = Timeline()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Scans of this cell over time")

    def minimumSizeHint(self) -> QSize:
        """Room for a few marks and the numbers of the axis."""
        return QSize(theme.px(160), theme.px(54))

    def set_timeline(self, shown: Timeline) -> None:
        """Draws these marks from now on."""
        if shown != self.shown:
            self.shown = shown
            self.update()

    def xs(self) -> list[float]:
        """Where the marks lie, px from the left."""
        edge = EDGE * theme.scale()
        hours = [mark.hours for mark in self.shown.marks]
        return places(hours, self.shown.span, edge, self.width() - edge)

    def mark_at(self, x: float) -> Mark | None:
        """The mark nearest to this place, if it is near enough."""
        index = hit(self.xs(), x, REACH * theme.scale())
        return None if index is None else self.shown.marks[index]

    def tip_at(self, x: float) -> str:
        """What is said of the mark at this place."""
        mark = self.mark_at(x)
        if mark is not None:
            pin = " · Ctrl+click or right-click to pin it" if mark.is_known else ""
            return f"{mark.tip}\nClick to show it{pin}" if mark.is_known else mark.tip
        due = self._due_x()
        near = due is not None and abs(due - x) <= REACH * theme.scale()
        return DUE if near else ""

    def event(self, event: QEvent) -> bool:
        """Each mark has a tip of its own."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), tip_text(self.tip_at(event.x())), self)
            return True
        return bool(super().event(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Left chooses a scan, with Ctrl or the right button it is pinned."""
        mark = self.mark_at(event.position().x())
        if mark is None or not mark.is_known:
            return
        with_ctrl = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.button() == Qt.MouseButton.RightButton or with_ctrl:
            self.scan_marked.emit(mark.scan)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.scan_clicked.emit(mark.scan)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Dragging runs through the scans."""
        with_ctrl = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        mark = self.mark_at(event.position().x())
        dragged = event.buttons() & Qt.MouseButton.LeftButton and not with_ctrl
        if dragged and mark is not None and mark.is_known and mark.scan != self.shown.shown:
            self.scan_clicked.emit(mark.scan)

    def _due_x(self) -> float | None:
        edge = EDGE * theme.scale()
        if self.shown.due is None:
            return None
        return places([self.shown.due], self.shown.span, edge, self.width() - edge)[0]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axis, marks, and what lies above them: numbers, the onset's flag, the pin."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.axis_font())
        colours, xs = theme.palette(), self.xs()
        if not xs:
            painter.setPen(QColor(colours.muted))
            centre = int(Qt.AlignmentFlag.AlignCenter)
            painter.drawText(self.rect(), centre, self.shown.empty)
            painter.end()
            return
        line = QFontMetricsF(theme.axis_font()).height()
        y = line + (self.height() - 2 * line) / 2
        self._axis(painter, y, line)
        size = radius(xs, LARGEST * theme.scale(), SMALLEST * theme.scale())
        due = self._due_x()
        if due is not None:
            painter.setPen(QPen(QColor(colours.muted), 1.2, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(due, y), size, size)
        pairs = list(zip(self.shown.marks, xs, strict=True))
        for mark, x in sorted(pairs, key=lambda pair: is_special(pair[0])):
            least = SPECIAL * theme.scale() if is_special(mark) else 0.0
            draw_mark(painter, mark, QPointF(x, y), max(size, least))
        self._numbers(painter, xs, line)
        for mark, x in pairs:
            if mark.is_onset:
                self._flag(painter, x, y - size, line)
            if mark.scan == self.shown.pinned:
                self._pin(painter, x, y - size, line)
            if mark.scan == self.shown.shown:
                self._ring(painter, x, y, size)
        painter.end()

    def _axis(self, painter: QPainter, y: float, line: float) -> None:
        colours, edge = theme.palette(), EDGE * theme.scale()
        left, right = edge, self.width() - edge
        painter.setPen(QPen(QColor(colours.line), 1.5))
        painter.drawLine(QPointF(left, y), QPointF(right, y))
        most = max(1, int((right - left) / (5.0 * line)))
        hours = ticks(self.shown.span, most)
        painter.setPen(QColor(colours.muted))
        bottom = QRectF(0, self.height() - line, 5.0 * line, line)
        for hour, x in zip(hours, places(hours, self.shown.span, left, right), strict=True):
            bottom.moveCenter(QPointF(x, bottom.center().y()))
            if hour == 0:
                bottom.moveLeft(max(bottom.left(), -1.5 * line))
            painter.drawText(bottom, int(Qt.AlignmentFlag.AlignCenter), f"{hour:g} h")

    def _numbers(self, painter: QPainter, xs: list[float], line: float) -> None:
        """Number of every scan where there is room, always of the one that is shown."""
        colours, last = theme.palette(), -1e9
        pairs = list(zip(self.shown.marks, xs, strict=True))
        taken = [x for mark, x in pairs if mark.scan == self.shown.shown or self._has_sign(mark)]
        for mark, x in pairs:
            is_shown = mark.scan == self.shown.shown
            wide = (len(visible(mark.scan)) + 1.6) * 0.6 * line
            crowded = x - last < wide or any(abs(x - other) < 1.5 * wide for other in taken)
            if crowded and not is_shown:
                continue
            last = x
            painter.setPen(QColor(colours.cross_on_panel if is_shown else colours.muted))
            box = QRectF(x - wide, 0, 2 * wide, line)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), visible(mark.scan))

    def _has_sign(self, mark: Mark) -> bool:
        return mark.is_onset or mark.scan == self.shown.pinned

    def _flag(self, painter: QPainter, x: float, top: float, line: float) -> None:
        """A pennant to the right of its pole: pits began here."""
        colour = QColor(theme.palette().bad)
        x += 0.55 * line if self._is_shown_at(x) else 0.0
        painter.setPen(QPen(colour, 1.5))
        painter.drawLine(QPointF(x, top), QPointF(x, 0.1 * line))
        painter.setBrush(colour)
        corners = [(0.0, 0.1), (0.85, 0.4), (0.0, 0.7)]
        painter.drawPolygon(QPolygonF([QPointF(x + a * line, b * line) for a, b in corners]))

    def _pin(self, painter: QPainter, x: float, top: float, line: float) -> None:
        """A pin with the scan's number to its left."""
        colour = QColor(theme.palette().other_on_panel)
        x -= 0.55 * line if self._is_shown_at(x) else 0.0
        painter.setPen(QPen(colour, 1.5))
        painter.drawLine(QPointF(x, top), QPointF(x, 0.4 * line))
        painter.setBrush(colour)
        painter.drawEllipse(QPointF(x, 0.42 * line), 0.26 * line, 0.26 * line)
        box = QRectF(x - 4.4 * line, 0, 4.0 * line, line)
        if box.right() < 1.2 * line:
            box.moveLeft(x + 0.5 * line)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignLeft), visible(self.shown.pinned))
        else:
            painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), visible(self.shown.pinned))

    def _ring(self, painter: QPainter, x: float, y: float, size: float) -> None:
        """Around the scan that is shown, with a line down to the hours."""
        painter.setPen(QPen(QColor(theme.palette().cross_on_panel), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        around = size + 3.5 * theme.scale()
        painter.drawEllipse(QPointF(x, y), around, around)
        line = QFontMetricsF(theme.axis_font()).height()
        painter.drawLine(QPointF(x, y + around), QPointF(x, self.height() - line))

    def _is_shown_at(self, x: float) -> bool:
        mark = self.mark_at(x)
        return mark is not None and mark.scan == self.shown.shown


def is_special(mark: Mark) -> bool:
    """Whether the mark must be found among hundreds of others."""
    return mark.kind != "periodic" or not mark.complete


def draw_mark(painter: QPainter, mark: Mark, at: QPointF, size: float) -> None:
    """Circle: periodic, square: reference, diamond: extra; hollow with a red edge: slices are
    missing; a ring that fills: it runs."""
    colours = theme.palette()
    if mark.progress is not None:
        box = QRectF(at.x() - size, at.y() - size, 2 * size, 2 * size)
        painter.setPen(QPen(QColor(colours.accent), 1.5))
        painter.setBrush(QColor(colours.panel))
        painter.drawEllipse(box)
        painter.setBrush(QColor(colours.accent))
        painter.drawPie(box, 90 * 16, round(-360 * 16 * min(1.0, mark.progress)))
        return
    colour = QColor(colours.warn if mark.kind == "extra" else colours.text)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    if not mark.complete:
        painter.setPen(QPen(QColor(colours.bad), max(1.2, 0.35 * size)))
        painter.setBrush(QColor(colours.panel))
    if mark.kind == "periodic":
        painter.drawEllipse(at, size, size)
    elif mark.kind == "reference":
        painter.drawRect(QRectF(at.x() - size, at.y() - size, 2 * size, 2 * size))
    else:
        reach = 1.25 * size
        offsets = ((0, -reach), (reach, 0), (0, reach), (-reach, 0))
        painter.drawPolygon(QPolygonF([at + QPointF(a, b) for a, b in offsets]))
