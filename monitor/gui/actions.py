"""All actions of the screen, each once: menus, keys, tooltips and the help are made from this
table. What an action does is in the `handlers` of the object that does it; the actions that show
and hide views are made from the views (`views/registry.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.gui.state.snapshot import COLOUR_SCALES

MENUS = ("Engine", "Go", "Map", "Acquisition", "View", "Help")
CELLS = 9
"""Number of cells that have a key of their own."""
SIGNS = {
    "Left": "←",
    "Right": "→",
    "Up": "↑",
    "Down": "↓",
    "Escape": "Esc",
    "Return": "Enter",
    "Backspace": "⌫",
    "Space": "space bar",
}

Handlers = Mapping[str, Callable[[], object]]
"""Functions by the name of the action."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its name in the program, its menu, its text, its key (several are separated by
    spaces) and its purpose; `after_line`: a line separates it from those above it in the menu."""

    name: str
    menu: str
    text: str
    key: str = ""
    tip: str = ""
    after_line: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Its keys, as Qt names them."""
        return tuple(self.key.split())


ACTIONS: tuple[Action, ...] = (
    Action("connect", "Engine", "Connect…", "Ctrl+E", "Another engine; your name"),
    Action("open_recording", "Engine", "Open recording…", "Ctrl+O", "A recorded experiment"),
    Action("report", "Engine", "Report on a recording…", "Ctrl+Shift+R", "Table and figures"),
    Action("first_engine", "Engine", "Back to the first engine", "Ctrl+Home"),
    Action(
        "window_picture",
        "Engine",
        "Save window as picture…",
        "Ctrl+S",
        "PNG or SVG",
        after_line=True,
    ),
    Action("view_picture", "Engine", "Save view as picture…", "Ctrl+Shift+S", "PNG or SVG"),
    Action("view_csv", "Engine", "Numbers of a view as CSV…", "Ctrl+Alt+C", "Under the mouse"),
    Action("pits_csv", "Engine", "Export pits as CSV…", "Ctrl+Shift+C", "The filtered rows"),
    Action(
        "quit",
        "Engine",
        "Quit",
        "Ctrl+Q",
        "Close the screen; the engine keeps running",
        after_line=True,
    ),
    Action("board", "Go", "All cells", "B", "Switch between board and cell"),
    *(Action(f"cell_{n}", "Go", f"Cell {n}", str(n)) for n in range(1, CELLS + 1)),
    Action("previous_scan", "Go", "Previous scan", "Left", after_line=True),
    Action("next_scan", "Go", "Next scan", "Right"),
    Action("first_scan", "Go", "First scan", "Home"),
    Action("last_scan", "Go", "Last scan", "End"),
    Action("newest_scan", "Go", "Follow the newest scan", "L", after_line=True),
    Action("seen", "Go", "Seen", "Ctrl+L", "Counts changes from now"),
    Action("play", "Go", "Play the scans", "Space", "Start or stop"),
    Action("pin", "Go", "Pin this scan", "P", "To compare others with it", after_line=True),
    Action("compare", "Go", "Compare with the pinned scan", "C", "Side by side, or Δ"),
    Action("next_map", "Map", "Next map", "M"),
    Action("previous_map", "Map", "Previous map", "Shift+M"),
    Action(
        "zoom_to_pit",
        "Map",
        "Zoom to the pit",
        "Z",
        "The selected one, or that at the crosshair",
        after_line=True,
    ),
    Action("zoom_back", "Map", "Back to the previous part", "Backspace", "Undo a zoom or a move"),
    Action("outlines", "Map", "Pit outlines", "O", after_line=True),
    Action("grains", "Map", "Grain boundaries", "G", "If the settings name a picture"),
    Action("masked", "Map", "Mask below the detection limit", "K"),
    Action("common", "Map", "Same scale for all scans", "S"),
    Action("whole_map", "Map", "Whole map", "W"),
    Action("rectangle", "Map", "Rectangle", "R", "Statistics of a region", after_line=True),
    Action("ellipse", "Map", "Ellipse", "Shift+R"),
    Action("polygon", "Map", "Polygon", "Ctrl+R"),
    Action("line", "Map", "Profile", "F", "Values along a line"),
    Action("turn_section", "Map", "Turn the cross-section", "T", "Along x or y", after_line=True),
    Action("cross_up", "Map", "Move the crosshair up", "Shift+Up", after_line=True),
    Action("cross_down", "Map", "Move the crosshair down", "Shift+Down"),
    Action("cross_left", "Map", "Move the crosshair left", "Shift+Left"),
    Action("cross_right", "Map", "Move the crosshair right", "Shift+Right"),
    Action("pit_here", "Map", "Select the pit under the crosshair", "I"),
    *(
        Action(f"colours_{name}", "Map", f"Colours: {name}", after_line=name == COLOUR_SCALES[0])
        for name in COLOUR_SCALES
    ),
    Action(
        "extra_scan", "Acquisition", "Extra scan", "E", "Then Enter; twice to accept a suggestion"
    ),
    Action("decline", "Acquisition", "Decline the suggested scan", "D"),
    Action("acknowledge", "Acquisition", "Acknowledge the alarm", "A", after_line=True),
    Action("note", "Acquisition", "Write a note", "N", "Added to the events of the cell"),
    Action("policy_off", "Acquisition", "Policy: off", "Ctrl+Shift+O", after_line=True),
    Action("policy_suggest", "Acquisition", "Policy: suggest", "Ctrl+Shift+G"),
    Action("policy_auto", "Acquisition", "Policy: auto", "Ctrl+Shift+A"),
    Action("budget_more", "Acquisition", "Budget: one more scan", "Ctrl+Shift+Up", after_line=True),
    Action("budget_less", "Acquisition", "Budget: one scan fewer", "Ctrl+Shift+Down"),
    Action("against", "View", "Trend against time, charge or SOC", "X", after_line=True),
    Action(
        "undo",
        "View",
        "Undo layout change",
        "Ctrl+Z",
        "The last change of the panels",
        after_line=True,
    ),
    Action("redo", "View", "Redo layout change", "Ctrl+Shift+Z"),
    Action("default_layout", "View", "Default layout", "Ctrl+0"),
    Action("shade", "View", "Dark or light theme", "Ctrl+T", after_line=True),
    Action("larger", "View", "Larger text", "Ctrl++ Ctrl+="),
    Action("smaller", "View", "Smaller text", "Ctrl+-"),
    Action("full_screen", "View", "Full screen", "F12", after_line=True),
    Action("dismiss", "View", "Dismiss", "Escape", "Help, problems, the selected pit"),
    Action("help", "Help", "Keys and definitions", "F1 ?", "This list"),
    Action(
        "guide",
        "Help",
        "Guide",
        "Shift+F1",
        "How to watch, judge, request and replay",
        after_line=True,
    ),
)
_KEYS = {action.name: action.keys for action in ACTIONS}


def shown_key(key: str) -> str:
    """A key as it is written on the keyboard."""
    return "+".join(SIGNS.get(part, part) for part in key.split("+"))


def key_of(name: str) -> str:
    """The first key of an action. Raises KeyError or IndexError for one that has none."""
    return shown_key(_KEYS[name][0])


def with_keys(tip: str, *names: str) -> str:
    """A tooltip with the keys of these actions."""
    return f"{tip} ({keys_of(*names)})"


def keys_of(*names: str) -> str:
    """The first keys of these actions, as a tooltip has them: "keys M and Shift+M"."""
    *first, last = map(key_of, names)
    return f"keys {', '.join(first)} and {last}" if first else f"key {last}"
