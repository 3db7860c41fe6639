"""What the comments of the example settings call a default is one."""

import re
import tomllib
from pathlib import Path

import pytest

from monitor.settings import Settings, parse
from monitor.settings.comments import commented

CONFIG = Path(__file__).parents[1] / "config"
FILES = sorted(CONFIG.glob("*.toml"))
MADE = {"electrode_diameter_mm": 5.0}
"""Defaults that follow from a setting being left out."""
SET = re.compile(r" set: ")
"""Marks a line whose value is no default."""


def lines(path):
    """(section, key, line) of every setting that stands in a file."""
    section = ""
    for line in path.read_text("utf-8").splitlines():
        if match := re.match(r"\s*\[\[?([\w.]+)\]\]?", line):
            section = match[1]
        elif match := re.match(r"\s*(\w+)\s*=", line):
            yield section, match[1], line


def default_of(section, key):
    """The default of a setting of the section."""
    made = Settings()
    found = made.cells[0] if section.startswith("cells") else made
    for part in [p for p in section.split(".") if p and p != "cells"]:
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    value = found[key] if isinstance(found, dict) else getattr(found, key)
    value = MADE.get(key) if value is None else value
    return str(value) if isinstance(value, Path) else value


def plain(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_stands_there_is_the_default_unless_its_comment_says_so(path):
    table = tomllib.loads(path.read_text("utf-8"))
    wrong = []
    for section, key, line in lines(path):
        if SET.search(line.partition("#")[2]):
            continue
        found = table["cells"][0] if section.startswith("cells") else table
        for part in [p for p in section.split(".") if p and p != "cells"]:
            found = found[part]
        if found[key] != plain(default_of(section, key)):
            wrong.append(f"{section}.{key} = {found[key]!r}, default {default_of(section, key)!r}")
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_comment_is_the_text_of_its_setting(path):
    """`python -m monitor.settings.comments config/*.toml` makes them anew."""
    text = path.read_text("utf-8")
    assert commented(text) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_can_be_used(path):
    parse(tomllib.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_of_policy_and_alarms_is_in_the_example(path):
    known = {(section, key) for section, key, _ in lines(path)}
    for section in ("onset", "watch"):
        fields = type(getattr(Settings(), section)).model_fields
        assert {(section, key) for key in fields} <= known
