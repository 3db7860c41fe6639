"""What people read: pages, texts of the program and its docstrings, each with its place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)\n]*\)|<[^<>\n]*>", re.DOTALL)
"""Of a page: what is no prose, and is blanked."""
TEXT_WORDS = 2
"""A string of fewer words is a key or a name."""


class Text(NamedTuple):
    """One text, and the file and line where it begins."""

    file: str
    line: int
    text: str


def pages() -> Iterator[Text]:
    """Every page of the documentation; of the changelog the newest version."""
    for path in (*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text("utf-8")
        if path.name == "CHANGELOG.md":
            head, *versions = re.split(r"(?m)^(?=## \[)", text)
            text = head + versions[0]
        yield Text(str(path.relative_to(ROOT)), 1, CODE.sub(_blank, text))


def program(*, docstrings: bool) -> Iterator[Text]:
    """The texts of the program: its string literals, or its docstrings."""
    for folder in ("monitor", "simulators"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            for line, text, is_docstring in _strings(tree):
                if is_docstring is docstrings and len(text.split()) >= TEXT_WORDS:
                    yield Text(str(path.relative_to(ROOT)), line, CODE.sub(_blank, text))


def settings() -> Iterator[Text]:
    """The comments of the settings files to start from."""
    for path in sorted((ROOT / "config").glob("*.toml")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if comment := re.search(r"#\s*(.+)", line):
                yield Text(str(path.relative_to(ROOT)), number, comment[1])


def _strings(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Line, text and whether it is a docstring; a value inside an f-string is a dash."""
    parts, docstrings = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(node.value)
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
            texts = (part.value if isinstance(part, ast.Constant) else "–" for part in node.values)
            yield node.lineno, "".join(map(str, texts)), False
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value, node in docstrings


def _blank(code: re.Match[str]) -> str:
    """As many lines without words."""
    return "–" + "\n" * code[0].count("\n")
