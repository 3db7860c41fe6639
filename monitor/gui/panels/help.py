"""Keys and definitions, over the window until they are dismissed."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from monitor.gui.actions import MENUS, Item
from monitor.gui.state.snapshot import MAP_NAMES
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label
from monitor.quantities.table import MAPS, SCALARS

WORDS = (
    ("pit", "a region that is significantly deeper than the plateau around it"),
    ("plateau", "the surface between pits; its removal is “Complete”"),
    *((SCALARS[name].title.lower(), SCALARS[name].help) for name in ("closure", "coulometry")),
    ("≈", "preliminary: it rests on a charge that readings do not cover yet"),
    ("first surface", "the surface in the reference scan; forecasts count depth from there"),
    ("provisional", "the scan is still running; numbers follow after its last slice"),
    ("grey", "no interface could be measured there, or it is masked"),
    ("reference", "the first, pristine scan: removal counts from it"),
    ("onset", "the first scan in which a pit is significant"),
)
ARROWS = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "Escape": "Esc", "Return": "Enter"}


class HelpPanel(QFrame):
    """A card in the middle of its parent, filled from the list of items."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._deeds: list[Item] = []
        self.setObjectName("card")
        self.columns = [label(rich=True) for _ in range(3)]
        inside = QWidget()
        row = QHBoxLayout(inside)
        row.setSpacing(24)
        for column in self.columns:
            column.setWordWrap(True)
            column.setAlignment(Qt.AlignmentFlag.AlignTop)
            row.addWidget(column, 1)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidget(inside)
        box = QVBoxLayout(self)
        box.setContentsMargins(22, 14, 22, 14)
        box.addWidget(
            label("Keys, maps and words &nbsp; <small>Esc closes</small>", "big", rich=True)
        )
        box.addWidget(self._scroll, 1)
        self.hide()

    def fill(self, items: Iterable[Item]) -> None:
        """Writes the help for these items."""
        self._deeds = list(items)
        self.restyle()

    def restyle(self) -> None:
        """Takes on the colours of the look that was applied last."""
        keys = {
            menu: [(_keys(d.key), _words(d)) for d in self._deeds if d.menu == menu and d.key]
            for menu in MENUS
        }
        go = [(k, w) for k, w in keys.get("Go", []) if not w.startswith("Cell ")]
        go.insert(1, ("1 – 9", "Cell by its place"))
        maps = [(MAPS[name].title, MAPS[name].help) for name in MAP_NAMES]
        left = _html("Go", go) + _html("Ask", keys.get("Ask", []))
        left += _html("Engine", keys.get("Engine", []))
        middle = _html("Map", keys.get("Map", [])) + _html("View", keys.get("View", []))
        right = _html("Maps", maps) + _html("Words", WORDS) + _html("Help", keys.get("Help", []))
        for column, text in zip(self.columns, (left, middle, right), strict=True):
            column.setText(text)

    def toggle(self) -> None:
        """Shows or hides the help; all views stay alive below it."""
        self.setVisible(not self.isVisible())
        if self.isVisible():
            space = self._parent.size()
            self.resize(
                min(theme.px(1080), space.width() - 40), min(theme.px(760), space.height() - 40)
            )
            self.move(self._parent.rect().center() - self.rect().center())
            self.raise_()


def _keys(text: str) -> str:
    for name, sign in ARROWS.items():
        text = text.replace(name, sign)
    return text.replace(" ", " or ")


def _words(item: Item) -> str:
    tip = item.tip if item.tip[1:2].isupper() else item.tip[:1].lower() + item.tip[1:]
    return item.text.rstrip("…") + (f" <i>– {tip}</i>" if tip else "")


def _html(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    accent = theme.palette().accent
    rows = "".join(
        f"<tr><td style='padding-right:12px; white-space:nowrap'>"
        f"<b style='color:{accent}'>{key}</b></td><td>{what}</td></tr>"
        for key, what in pairs
    )
    return f"<h3>{title}</h3><table>{rows}</table>"
