"""Colours are named once, by what they are for."""

import ast
import re
from pathlib import Path

import pytest

import monitor.gui
from monitor.gui.widgets.palette import PALETTES

HEX = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{8}\b")
SOURCES = [p for p in Path(monitor.gui.__path__[0]).rglob("*.py") if p.name != "palette.py"]


@pytest.mark.parametrize("path", sorted(SOURCES), ids=lambda path: path.stem)
def test_no_other_module_has_a_colour_of_its_own(path):
    tree = ast.parse(path.read_text("utf-8"))
    documented = {ast.get_docstring(n, clean=False) for n in ast.walk(tree)
                  if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)}  # fmt: skip
    told = [n.value for n in ast.walk(tree)
            if isinstance(n, ast.Constant) and isinstance(n.value, str)]  # fmt: skip
    assert [text for text in told if HEX.search(text) and text not in documented] == []


@pytest.mark.parametrize("role", ["cross", "before", "other"])
def test_a_line_beside_a_picture_is_seen_on_either_look(role):
    assert len({getattr(palette, f"{role}_on_panel") for palette in PALETTES.values()}) == 2
    assert getattr(PALETTES["dark"], f"{role}_on_panel") == getattr(PALETTES["dark"], role)
