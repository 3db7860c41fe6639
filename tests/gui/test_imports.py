"""No module of the screen needs itself, by whatever way, those that only types are taken from
included."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted((ROOT / "monitor" / "gui").rglob("*.py"))}


def imported(path):
    """Modules of the screen that a module names in any import, at its top or inside."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = (f"{node.module}.{name.name}" for name in node.names)
            found = [name for name in whole if name in FILES]
            yield from found or ([node.module] if node.module in FILES else [])


def test_no_circle():
    needs = {name: set(imported(path)) for name, path in FILES.items()}
    assert sum(map(len, needs.values())) > 200
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
    assert set(order) == set(FILES)
