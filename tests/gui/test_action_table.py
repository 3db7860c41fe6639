"""Menus, keys, tooltips and the help are made from the same tables of actions and views."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QWidget

import monitor.gui
from monitor.gui.actions import ACTIONS, key_of, keys_of, shown_key, with_keys
from monitor.gui.views.registry import VIEWS, actions_of

ALL = (*actions_of(), *ACTIONS)
BY_HAND = re.compile(
    r"\bkeys? ([A-Z]|Ctrl|Shift|Esc|[?←↑→↓])(?![A-Za-z])|\bpress [A-Z]\b"
    r"|\((Esc|[A-Z]|(Ctrl|Shift)[^)]*)\)"
)
SOURCES = sorted(Path(monitor.gui.__path__[0]).rglob("*.py"))


def test_no_key_is_that_of_two_actions():
    keys = Counter(QKeySequence(key).toString() for action in ALL for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []
    assert "" not in keys, "each is a key that Qt knows"


def test_no_name_is_that_of_two_actions_or_views():
    for names in ([action.name for action in ALL], [view.name for view in VIEWS]):
        assert len(names) == len(set(names))


def test_views_are_stacked_only_in_one_area_and_need_only_what_is_made_before():
    areas = {(view.place, view.area) for view in VIEWS if view.is_dock}
    assert len(areas) == len({place for place, _ in areas})
    for at, view in enumerate(VIEWS):
        assert set(view.needs) <= {other.name for other in VIEWS[:at]}


def test_keys_are_written_as_on_the_keyboard():
    assert key_of("dismiss") == "Esc"
    assert keys_of("previous_scan") == "key ←"
    assert keys_of("next_map", "previous_map") == "keys M and Shift+M"
    assert with_keys("Tip", "larger") == "Tip (key Ctrl++)"


def test_every_action_is_done_by_someone_and_stands_in_menus_and_help(bench, screen):
    window = screen(bench().publisher)
    assert set(window._handlers()) == {action.name for action in ALL}
    shown = "".join(column.text() for column in window.help.columns)
    for action in ALL:
        assert window.actions_by_name[action.name].text() == action.text
        if not action.name.startswith("cell_"):
            assert action.text.rstrip("…") in shown
            assert all(shown_key(key) in shown for key in action.keys)
    assert "1 – 9" in shown


def test_menus_have_lines_and_ticks_of_what_is_on(bench, screen, qtbot):
    engine = bench()
    engine.scans("A", 2)
    window = screen(engine.publisher)
    qtbot.waitUntil(lambda: bool(window.snapshot.cells))
    for entry in window.menuBar().actions():
        assert any(a.isSeparator() for a in entry.menu().actions()), entry.text()

    def ticked():
        for entry in window.menuBar().actions():
            entry.menu().aboutToShow.emit()
        return {name for name, entry in window.actions_by_name.items() if entry.isChecked()}

    first = {"newest_scan", "outlines", "colours_paper", "policy_auto", "show_trend"}
    assert first <= ticked()
    assert "masked" not in ticked()
    window.selection.choose(masked=True, colours="grey", scan=0)
    window.layouts.docks["events"].hide()
    assert {"masked", "colours_grey"} <= ticked()
    assert not ticked() & {"newest_scan", "colours_paper", "show_events"}


def test_tooltips_name_the_keys_of_their_actions(bench, screen):
    window = screen(bench().publisher)
    tips = {widget.toolTip() for widget in window.findChildren(QWidget)}
    assert sum("(key" in tip for tip in tips) > 15


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_text_of_the_screen_writes_a_key_by_hand(path):
    if path.name == "actions.py":
        return
    told = (n.value for n in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(n, ast.Constant) and isinstance(n.value, str))  # fmt: skip
    assert [text for text in told if BY_HAND.search(text)] == []
