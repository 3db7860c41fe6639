"""The reference pages that are made from the code are those that the code makes, and name all."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
import typer

from monitor.cli import page as command_line
from monitor.cli.command_line import app
from monitor.gui.wording import page as alarms
from monitor.gui.wording.alarms import CONDITIONS
from monitor.quantities import page as quantities
from monitor.records.conditions import TroublePart
from monitor.settings import page as settings

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
NO_EVENTS = {"scan_progress"}
PAGES = {
    "quantities.md": quantities,
    "settings.md": settings,
    "command-line.md": command_line,
    "alarms.md": alarms,
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_one_that_the_code_makes(name: str) -> None:
    module: ModuleType = PAGES[name]
    made, committed = module.page(), (REFERENCE / name).read_text("utf-8")
    assert committed == made, f"python -m {module.__name__} > docs/reference/{name}"


@pytest.mark.parametrize(
    ("title", "section"), list(settings.sections()), ids=lambda value: str(value)
)
def test_every_setting_says_what_it_is(title: str, section: type) -> None:
    told = settings.meanings(section)
    assert list(told) == list(section.model_fields), title
    for key, text in told.items():
        assert text[0].isupper() or text[0] in "`[", f"{title} {key}: {text}"
        assert text.endswith("."), f"{title} {key}: {text}"


def test_every_command_and_option_is_on_its_page() -> None:
    text = (REFERENCE / "command-line.md").read_text("utf-8")
    parts = dict(re.findall(r"^## ([\w-]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    known = typer.main.get_command(app).commands
    commands = {name: one for name, one in known.items() if not one.hidden}
    assert list(parts) == list(commands)
    assert [name for name in known if name not in commands] == ["watch"]  # in how-to/files.md
    for name, command in commands.items():
        for param in command.params:
            wanted = param.opts if param.param_type_name == "option" else [param.name.upper()]
            assert [one for one in wanted if one not in parts[name]] == [], name


def rows(page: str) -> set[str]:
    """The names in the first column of the tables of a page."""
    text = (REFERENCE / page).read_text("utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)[` ]", cell)}


def texts(node: ast.AST, names: Mapping[str, set[str]]) -> set[str]:
    """The texts that an expression may have, as far as the code says."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Name(id=name):
            return names.get(name, set())
        case ast.IfExp(body=one, orelse=other):
            return texts(one, names) | texts(other, names)
    return set()


def first_texts(*calls: str) -> set[str]:
    """The first text among the arguments of all calls of these names in `core`, literal or by a
    constant, or a variable `kind`."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "monitor/core").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            tuples = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts, strict=True) if tuples else [(target, value)]
            for name, what in pairs:
                if isinstance(name, ast.Name) and (name.id.isupper() or name.id == "kind"):
                    names.setdefault(name.id, set()).update(texts(what, {}))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in calls:
                found |= next(filter(None, (texts(one, names) for one in node.args)), set())
    return found - {""}


def test_every_event_of_the_code_has_its_entry_and_no_other_has() -> None:
    assert rows("events.md") - {"type"} == first_texts("Told", "event", "_about") - NO_EVENTS


def test_every_alarm_of_the_code_has_its_entry_and_a_line_on_begin_and_end() -> None:
    conditions = first_texts("Sign", "Notice", "Verdict") | set(get_args(TroublePart))
    watched = {"slices_late", "slices_dead", "cycler_dead", "scan_late", "scan_dead"}
    watched |= {"connection", "channel_missing"}
    assert rows("alarms.md") == conditions | watched == set(CONDITIONS)
    assert set(CONDITIONS) - rows("watchdog.md") == set()
