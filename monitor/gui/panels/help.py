"""Keys and definitions, over the window until they are dismissed."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from monitor.gui.actions import CELLS, MENUS, Action, key_of, shown_key
from monitor.gui.state.snapshot import MAP_NAMES
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label
from monitor.quantities.table import MAPS, SCALARS

WORDS = (
    ("pit", "a region that is significantly deeper than the plateau around it"),
    ("plateau", "the surface between pits; its removal is “Complete”"),
    *((SCALARS[name].title.lower(), SCALARS[name].help) for name in ("closure", "coulometry")),
    ("≈", "preliminary: cycler readings do not cover this scan yet"),
    ("first surface", "the surface in the reference scan; forecast depths are measured from it"),
    ("provisional", "the scan is still running; final numbers are known after its last slice"),
    ("grey", "no interface could be measured there, or it is masked"),
    ("reference", "the first, pristine scan: removal is counted from it"),
    ("onset", "the first scan in which a pit is significant"),
)


class HelpPanel(QFrame):
    """A card in the middle of its parent, made from the list of actions."""

    def __init__(self, parent: QWidget, actions: Iterable[Action]) -> None:
        super().__init__(parent)
        self._parent = parent
        self._actions = list(actions)
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
            label(
                f"Keys, maps and definitions &nbsp; <small>{key_of('dismiss')} to close</small>",
                "big",
                rich=True,
            )
        )
        box.addWidget(self._scroll, 1)
        self.hide()
        self.restyle()

    def restyle(self) -> None:
        """Applies the colours of the current look."""
        keys = {
            menu: [(_keys(a), _words(a)) for a in self._actions if a.menu == menu] for menu in MENUS
        }
        first, last = key_of("cell_1"), key_of(f"cell_{CELLS}")
        # one line for all of them
        keys["Go"][1 : 1 + CELLS] = [(f"{first} – {last}", "Cell by position")]
        maps = [(MAPS[name].title, MAPS[name].help) for name in MAP_NAMES]
        left, middle = (
            "".join(_html(menu, keys[menu]) for menu in menus)
            for menus in (("Go", "Acquisition", "Engine"), ("Map", "View"))
        )
        right = _words_html("Maps", maps) + _words_html("Definitions", WORDS)
        middle += _html("Help", keys["Help"])
        for column, text in zip(self.columns, (left, middle, right), strict=True):
            column.setText(text)

    def toggle(self) -> None:
        """Shows or hides the help; the views below it remain active."""
        self.setVisible(not self.isVisible())
        if self.isVisible():
            space = self._parent.size()
            self.resize(
                min(theme.px(1080), space.width() - 40), min(theme.px(760), space.height() - 40)
            )
            self.move(self._parent.rect().center() - self.rect().center())
            self.raise_()


def _keys(action: Action) -> str:
    return " or ".join(map(shown_key, action.keys))


def _words(action: Action) -> str:
    tip = action.tip if action.tip[1:2].isupper() else action.tip[:1].lower() + action.tip[1:]
    return action.text.rstrip("…") + (f" <i>– {tip}</i>" if tip else "")


def _html(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><td style='padding-right:12px; white-space:nowrap'>{_name(key)}</td>"
        f"<td>{what}</td></tr>"
        for key, what in pairs
    )
    return f"<h3>{title}</h3><table>{rows}</table>"


def _words_html(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Definitions, each after its word: a column of long words would leave no room for them."""
    return f"<h3>{title}</h3>" + "".join(f"<p>{_name(key)} – {what}</p>" for key, what in pairs)


def _name(key: str) -> str:
    return f"<b style='color:{theme.palette().accent}'>{key}</b>"
