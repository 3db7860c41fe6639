"""The row of switches and tools below a map."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QToolButton, QWidget

from monitor.gui.actions import with_keys
from monitor.gui.state.snapshot import Choice
from monitor.gui.views.map.tools import Tool
from monitor.gui.widgets.controls import quiet
from monitor.gui.widgets.plain_text import set_tip

TOOLS: tuple[tuple[Tool, str, str], ...] = (
    ("rectangle", "▭", "Rectangle: statistics of this part of the map"),
    ("ellipse", "◯", "Ellipse: statistics of this part of the map"),
    ("polygon", "⬠", "Polygon: statistics of this part; drag corners, click an edge to add one"),
    ("line", "╱", "Profile: values along a line; drag its ends"),
)
SWITCHES = (
    (
        "outlines",
        "Pits",
        "Outline of every significant pit: yellow the oldest, red the newest,\n"
        "blue the selected one, green those that split from it or merged with it",
    ),
    (
        "grains",
        "Grains",
        "Grain boundaries, from the picture that the cell's settings name",
    ),
    (
        "masked",
        "Mask",
        "Hide values below the detection limit (three standard errors)",
    ),
    (
        "common",
        "Same scale",
        "One colour scale for all scans, from the first that has this map to the last,\n"
        "so that colours can be compared",
    ),
)
"""By the field of Choice that each one switches, which is also the name of its action."""


class MapControls(QWidget):
    """Emits which switch was set, which tool was chosen, and that the whole map is to be shown."""

    switched = Signal(str, bool)
    tool_wanted = Signal(str)
    whole_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self.switches: dict[str, QCheckBox] = {}
        for name, text, tip in SWITCHES:
            box = self.switches[name] = QCheckBox(text)
            set_tip(box, with_keys(tip, name))
            box.toggled.connect(lambda on, name=name: self.switched.emit(name, on))
            row.addWidget(box)
        row.addStretch(1)
        self.tools: dict[str, QToolButton] = {}
        for tool, text, tip in TOOLS:
            button = self.tools[tool] = QToolButton()
            button.setText(text)
            set_tip(button, with_keys(tip, tool))
            button.setCheckable(True)
            button.clicked.connect(
                lambda on, tool=tool: self.tool_wanted.emit(tool if on else "none")
            )
            row.addWidget(button)
        self.whole = QPushButton("Whole")
        tip = with_keys("Show the whole map", "whole_map")
        set_tip(self.whole, f"{tip}; the wheel zooms, dragging moves")
        self.whole.clicked.connect(self.whole_wanted)
        row.addWidget(self.whole)
        quiet(self.whole, *self.switches.values(), *self.tools.values())

    def draw(self, choice: Choice, *, grains: bool) -> None:
        """Shows what was chosen. `grains`: whether there is a picture of grain boundaries."""
        self.switches["grains"].setVisible(grains)
        for name, box in self.switches.items():
            box.setChecked(getattr(choice, name))

    def mark(self, tool: Tool) -> None:
        """Shows which tool is in use."""
        for name, button in self.tools.items():
            button.setChecked(name == tool)

    def narrow(self, narrow: bool) -> None:
        """Leaves room for another map beside this one: hides the tools, whose keys still work."""
        self.setMinimumHeight(self.whole.sizeHint().height())
        for widget in (*self.tools.values(), self.whole):
            widget.setVisible(not narrow)
