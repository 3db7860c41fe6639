"""Small parts that several views share."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from monitor.gui.widgets.plain_text import PlainLabel, RichLabel, set_tip


class Card(QFrame):
    """A framed panel with a title line that has room for controls, and a body below.

    `bar` is the title line as one widget: a dock takes it as its handle.
    """

    def __init__(self, title: str, tip: str = "") -> None:
        super().__init__()
        self.setObjectName("card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(8, 6, 8, 6)
        self.body.setSpacing(4)
        self.bar = _Bar()
        self.bar.setObjectName("bar")
        self.head = QHBoxLayout(self.bar)
        self.head.setContentsMargins(0, 0, 0, 0)
        self.head.setSpacing(6)
        self.title = label(title, "title", tip)
        self.head.addWidget(self.title)
        self.body.addWidget(self.bar)

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""


class _Bar(QWidget):
    """A title line that is cut if there is no room, rather than to widen the window."""

    def minimumSizeHint(self) -> QSize:
        return QSize(1, super().minimumSizeHint().height())


def label(text: str = "", name: str = "", tip: str = "", *, rich: bool = False) -> QLabel:
    """A label in one of the theme's styles. `rich`: its text is HTML of our own, words of others in
    it `as_is`; otherwise it is shown as it is."""
    made = RichLabel(text) if rich else PlainLabel(text)
    made.setObjectName(name)
    set_tip(made, tip)
    return made


def elastic(made: QLabel) -> QLabel:
    """The same label, cut if there is no room instead of widening the window."""
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return made


def quiet(*widgets: QWidget) -> None:
    """Takes no keyboard focus, so that the window's shortcuts work."""
    for widget in widgets:
        widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)


def leave_height(*widgets: QWidget) -> None:
    """Hides widgets of a layout, whose height does not change."""
    for widget in widgets:
        kept = widget.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        widget.setSizePolicy(kept)
        widget.setMaximumWidth(1)
        widget.hide()
