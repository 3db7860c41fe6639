"""Pages, the texts of the program and its docstrings keep to plain words."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from tests.prose import texts
from tests.prose.rules import RULES, Rule, findings
from tests.prose.texts import Text

BETWEEN = "\n¶\n"
"""Between two texts of a file, so that no rule reads across."""
EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Words that stay, by file and words: why."""


def found(read: Iterable[Text]) -> list[str]:
    """File, line and words of all that is not plain; a file's texts are read together, in 5 s."""
    lines = []
    for file, group in itertools.groupby(read, key=lambda text: text.file):
        parts = list(group)
        whole = BETWEEN.join(part.text for part in parts)
        for one in findings(whole):
            start, end = (max(place - 1, 0) for place in one.span)
            words = " ".join(whole[start:end].split())
            if (file, words) not in EXCEPTIONS:
                lines.append(f"{file}:{line_of(parts, start)}: {words!r} ({one.message})")
    return lines


def line_of(parts: list[Text], place: int) -> int:
    """The line of a place in the joined texts."""
    for part in parts:
        if place <= len(part.text):
            return part.line + part.text.count("\n", 0, place)
        place -= len(part.text) + len(BETWEEN)
    return parts[-1].line


def test_pages_are_plain() -> None:
    assert found(texts.pages()) == []


def test_texts_of_the_program_are_plain() -> None:
    assert found(texts.program(docstrings=False)) == []


def test_docstrings_are_plain() -> None:
    assert found(texts.program(docstrings=True)) == []


def test_comments_of_the_settings_are_plain() -> None:
    assert found(texts.settings()) == []


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_finds_a_bad_sentence_and_leaves_a_good_one(rule: Rule) -> None:
    path = f"words.{rule.name}"
    assert [one for one in findings(rule.bad) if one.check_path == path]
    assert findings(rule.good) == []


def test_what_is_found_has_its_place() -> None:
    parts = [Text("a.py", 3, "One line."), Text("a.py", 7, "The first,\nthen begins\nanew.")]
    (line,) = found(parts)
    assert line.startswith("a.py:9: 'anew'")


def test_texts_are_read_with_their_values_left_out() -> None:
    read = list(texts.program(docstrings=False))
    assert any(text.text == "Scan –: –" for text in read)
    assert any("by default" in text.text for text in read)
