"""Texts as Qt shows them: one that arrived over a wire or out of a file is never read as HTML, for
Qt would load the files that it names. Everything that a widget shows goes through here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import Qt as QtGui
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import QLabel

from monitor.gui.formatting import as_is
from monitor.plain_text import visible_lines


class HasTip(Protocol):
    """A widget, or an item of a list or table."""

    @property
    def setToolTip(self) -> Callable[[str], Any]: ...


class PlainLabel(QLabel):
    """A label whose text is plain."""

    form = Qt.TextFormat.PlainText

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setTextFormat(self.form)
        self.setText(text)

    def setText(self, text: str) -> None:
        super().setText(visible_lines(text))

    def setToolTip(self, tip: str) -> None:
        super().setToolTip(tip_text(tip))


class RichLabel(PlainLabel):
    """A label whose text is HTML of our own, with the words of others put in by `as_is`."""

    form = Qt.TextFormat.RichText


def as_html(text: str) -> str:
    """A text of several lines as it is, for what takes HTML alone."""
    return "<br>".join(as_is(line) for line in text.split("\n"))


def tip_text(text: str) -> str:
    """A tooltip that shows this text: Qt decides by its beginning whether it is HTML."""
    shown = visible_lines(text)
    if not QtGui.mightBeRichText(shown):
        return shown
    return f"<p style='white-space: pre-wrap'>{as_html(shown)}</p>"


def plain(html: str) -> str:
    """The words of HTML of our own."""
    return QTextDocumentFragment.fromHtml(html).toPlainText()


def set_tip(thing: HasTip, text: str) -> None:
    """Gives a widget or an item its tooltip."""
    thing.setToolTip(tip_text(text))
