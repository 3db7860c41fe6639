"""Markup and control characters in every text that reaches a person: on a screen, on a terminal, in
a table, in a figure. Each is shown as it is written."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser
from typing import Any

from matplotlib.cbook import is_math_text
from PySide6.QtGui import Qt

from monitor.cli.output import Messages
from monitor.gui.formatting import as_is
from monitor.gui.widgets.plain_text import as_html, tip_text
from monitor.gui.wording.events import SENTENCES, event_line
from monitor.plain_text import FORMULA, NUMBER, csv_field, is_plain, visible, visible_lines
from monitor.report.views import figure_text

PIECES = (
    "<img src='file:///dev/zero'>", '<a href="file:///etc/passwd">', "</a>", "<b>", "</", "<", ">",
    "&", "&amp;", "&#60;", "<!DOCTYPE html>", "<?xml ?>", "<p style='x'>", "<qt>", "[/x]", "[red]",
    "[link=file:///x]", "[/]", "[", "]", "\\[", "\\", ":x:", "$", "$x_", "\\$", "_", "{", "}",
    "{0}", "%p", "%s", "=1+1", "+", "-", "@", "-0.5", "1e5", "'", '"', ",", ";", " ", "µm", "電",
    "\x1b[31m", "\x1b]0;t\x07", "\x1b]8;;http://x\x1b\\", "\x9b2J", "\x00", "\b", "\r", "\n", "\t",
    "\x7f", "\x85", "\u00a0", "\u00ad", "\u034f", "\u061c", "\u200b", "\u200d", "\u200f", "\u2028",
    "\u2029", "\u202e", "\u2066", "\u2069", "\u3164", "\ufeff", "\ufe0f", "\ue000", "\U000e0041",
    "\ud800", "\udce9", "A", "scan", "e\u0301",
)  # fmt: skip
EVENT_KEYS = (
    "text", "why", "by", "reason", "mode", "before", "setting", "address", "feed", "bad_kind",
    "decision", "status", "state", "verdict", "cell", "scan", "id", "evidence", "changed",
)  # fmt: skip


def words(rng: random.Random) -> str:
    """A text of some of these pieces."""
    return "".join(rng.choices(PIECES, k=rng.randrange(1, 8)))


def texts_in(record: Any) -> list[str]:
    """The texts in the fields of a record."""
    if isinstance(record, str):
        return [record]
    if is_dataclass(record):
        return [text for one in fields(record) for text in texts_in(getattr(record, one.name))]
    return [text for part in record for text in texts_in(part)] if type(record) is tuple else []


def fuzz_texts(count: int, seed: int) -> Counter[str]:
    """Shows so many texts in every way. Raises AssertionError for one that is more than seen."""
    rng, shown = random.Random(seed), Counter[str]()
    for _ in range(count):
        text = words(rng)
        for show in WAYS:
            show(text, rng)
            shown[show.__name__.strip("_")] += 1
    return shown


class _Read(HTMLParser):
    """Tags and text of HTML, as a browser reads it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.text += "\n" if tag == "br" else ""

    def handle_decl(self, decl: str) -> None:
        self.tags.append(decl)

    handle_pi = unknown_decl = handle_comment = handle_decl

    def handle_data(self, data: str) -> None:
        self.text += data


def _label(text: str, _: random.Random) -> None:
    read = _Read(as_is(text))
    assert read.tags == [] and read.text == visible(text), text
    read = _Read(as_html(text))
    assert set(read.tags) <= {"br"} and read.text == visible_lines(text), text


def _tip(text: str, _: random.Random) -> None:
    tip = tip_text(text)
    if Qt.mightBeRichText(tip):
        read = _Read(tip)
        assert set(read.tags) <= {"p", "br"} and read.text == visible_lines(text), text
    else:
        assert tip == visible_lines(text), text


def _event(text: str, rng: random.Random) -> None:
    kind = rng.choice([*SENTENCES, text])
    event: dict[str, Any] = dict.fromkeys(EVENT_KEYS, text)
    event |= {"changed": [words(rng)], "evidence": {"by": words(rng), "why": words(rng)}}
    for key in rng.sample(EVENT_KEYS, 3):
        event[key] = None
    line = event_line(event | {"type": kind, "time": 1.76e9})
    assert visible(line) == line and "\n" not in line, event


def _terminal(text: str, _: random.Random) -> None:
    said = io.StringIO()
    Messages(file=said, width=500, force_terminal=True, color_system=None).print(
        text, soft_wrap=True
    )
    assert said.getvalue() == visible_lines(text) + "\n", text


def _table(text: str, _: random.Random) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([csv_field(text), csv_field(-0.5)])
    ((field, number),) = csv.reader(io.StringIO(written.getvalue()))
    assert number == "-0.5" and visible(field) == field
    assert not field.startswith(FORMULA) or NUMBER.fullmatch(field), text


def _figure(text: str, _: random.Random) -> None:
    drawn = figure_text(text)
    assert not is_math_text(drawn) and not drawn.startswith("_"), text
    said = visible(text)
    assert drawn.replace(r"\$", "$") == (f" {said}" if said.startswith("_") else said), text


WAYS = (_label, _tip, _event, _terminal, _table, _figure)


def assert_plain(record: Any) -> None:
    """Every text of a record that a decoder let in can be shown as it is."""
    for text in texts_in(record):
        assert is_plain(text), record
