"""The documentation: what it points to is there, its pictures are those of the code, and the static
site is built without a warning."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
ROOT = DOCS.parent
POLICY = ROOT / "SECURITY.md"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
PRINTING = {("report", "cli"), ("playback", "cli")}
"""Imports upwards: how the command line prints."""


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_all_that_a_page_points_to_is_there(page):
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text("utf-8"))
    inside = [(target, anchor) for target, anchor in links if "://" not in target]
    missing = [target for target, _ in inside if not (page.parent / target).exists()]
    assert not missing
    lost = [
        (target, anchor)
        for target, anchor in inside
        if anchor and anchor not in anchors(page.parent / target if target else page)
    ]
    assert not lost


def test_every_promise_of_security_names_its_tests():
    promises = POLICY.read_text("utf-8").partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 4
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)`", row)
        assert named, row
        assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.fixture(scope="module")
def draw():
    """The script that draws the pictures of the developer's pages."""
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawings_are_those_that_the_script_draws(draw):
    for name, drawn in draw.PICTURES.items():
        committed = (draw.IMAGES / name).read_text("utf-8")
        assert committed == drawn(), "python docs/draw.py"


def test_the_drawing_has_every_room_and_a_room_imports_from_below_or_beside(draw):
    rows = {name: row for row, names in enumerate(draw.ROOMS) for name, _ in names}
    folders = {path.parent.name for path in (ROOT / "monitor").glob("*/__init__.py")}
    assert set(rows) == folders | {"simulators"}
    for path in [*(ROOT / "monitor").glob("*/**/*.py"), *(ROOT / "simulators").rglob("*.py")]:
        room = path.relative_to(ROOT).parts[0 if "simulators" in path.parts else 1]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                whole = node.module.removeprefix("monitor.").partition(".")[0]
                upwards = rows.get(whole, len(rows)) < rows[room]
                assert not upwards or (room, whole) in PRINTING, f"{path}: {node.module}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed, reason=f"{needed} is not installed (extra docs)")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "tutorials" / "walk.html").is_file()


def said(node: ast.AST) -> str:
    """The text of a literal, with `…` for what is put into it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(said(part) or "…" for part in parts)
    return ""


def test_every_row_of_when_something_is_wrong_quotes_what_the_program_says():
    files = [*(ROOT / "monitor").rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    program = " ".join(" ".join(filter(None, map(said, nodes))).split())
    text = (DOCS / "how-to" / "wrong.md").read_text("utf-8")
    rows = [line[2:].split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) > 90
    for row in rows:
        words = re.sub(r"[`*“”\"]", " ", row).split()
        threes = [" ".join(words[at : at + 3]).strip(" .,;:()…") for at in range(len(words) - 2)]
        assert row == "you see" or any(three in program for three in threes), row


def test_the_tests_that_keep_what_a_fault_leaves_are_there():
    text = (DOCS / "reference" / "faults.md").read_text("utf-8")
    cells = [line.rstrip(" |").split(" | ")[-1] for line in text.splitlines() if " | `" in line]
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert len(cells) > 70
    for name in {name for cell in cells for name in re.findall(r"`([\w/]+\.py|test_\w+)`", cell)}:
        assert (ROOT / "tests" / name).is_file() or f"def {name}(" in tests, name
