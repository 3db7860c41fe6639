"""Keys and definitions, over the window until they are dismissed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from monitor.gui import theme
from monitor.gui.model import MAP_HELP, MAP_TITLES

KEYS = (
    ("← →", "scan before, scan after"),
    ("L", "follow the live scan"),
    ("M", "next map (Shift+M: the one before)"),
    ("T", "turn the cross-section: along x or y"),
    ("E", "extra scan, or the one that is suggested; press twice within 3 s"),
    ("D", "decline the scan that is suggested"),
    ("1 – 9", "choose the cell"),
    ("?", "this help; Esc closes it"),
)
WORDS = (
    ("pit", "a region that is significantly deeper than the plateau around it"),
    ("plateau", "the surface between pits; its removal is “Complete”"),
    ("closure", "averaged removal ÷ Faraday thickness; away from 1: drift, clock, dead lithium"),
    ("provisional", "the scan is still running; numbers come with its last slice"),
    ("grey", "no interface could be measured there"),
)


class HelpPanel(QFrame):
    """A card in the middle of its parent."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self.setObjectName("card")
        text = QLabel(_html())
        text.setTextFormat(Qt.TextFormat.RichText)
        text.setWordWrap(True)
        box = QVBoxLayout(self)
        box.setContentsMargins(22, 16, 22, 16)
        box.addWidget(text)
        self.setFixedWidth(640)
        self.hide()

    def toggle(self) -> None:
        """Shows or hides the help; all views stay alive below it."""
        self.setVisible(not self.isVisible())
        if self.isVisible():
            self.adjustSize()
            self.move(self._parent.rect().center() - self.rect().center())
            self.raise_()


def _html() -> str:
    def rows(pairs: tuple[tuple[str, str], ...]) -> str:
        return "".join(
            f"<tr><td style='padding-right:14px'><b style='color:{theme.ACCENT}'>{key}</b></td>"
            f"<td>{what}</td></tr>"
            for key, what in pairs
        )

    maps = tuple((name.replace("_", " "), MAP_HELP[name]) for name in MAP_TITLES)
    parts = (("Keys", KEYS), ("Maps", maps), ("Words", WORDS))
    return "".join(f"<h3>{title}</h3><table>{rows(pairs)}</table>" for title, pairs in parts)
