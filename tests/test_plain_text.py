"""Characters that act, or are not seen: which may be sent, and how they are shown."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.plain_text import BLANK, csv_field, is_plain, typed, visible, visible_lines

ACTING = {
    "escape": "\x1b[31m",
    "link": "\x1b]8;;http://x\x07",
    "C1 control": "\x9b31m",
    "bell": "\x07",
    "backspace": "\x08",
    "delete": "\x7f",
    "line break": "\n",
    "carriage return": "\r",
    "tabulator": "\t",
    "next line": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "override": "\u202e",
    "isolate": "\u2066",
    "mark": "\u200f",
    "zero width": "\u200b",
    "joiner": "\u200d",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "tag": "\U000e0041",
    "surrogate": "\ud800",
    "private": "\ue000",
}
UNSEEN = {"filler": "\u3164", "half filler": "\uffa0", "joiner": "\u034f", "hidden": "\U000e0101"}


@pytest.mark.parametrize("text", ACTING.values(), ids=ACTING)
def test_what_acts_is_refused_and_shown(text: str) -> None:
    assert not is_plain(f"a{text}b")
    shown = visible(f"a{text}b")
    assert shown.isprintable() and shown.startswith("a\\") and shown.endswith("b")


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_what_prints_nothing_is_shown(text: str) -> None:
    assert visible(f"a{text}b").startswith("a\\")


@pytest.mark.parametrize(
    "text", ["µm", "mA/cm²", "Zelle 3 – 5 °C", "电池", "⚠\ufe0f", "خلية", "a\\b"]
)
def test_what_is_only_written_stays(text: str) -> None:
    assert visible(text) == text and is_plain(text)


def test_lines_stay_where_they_are_meant() -> None:
    assert visible_lines("one\ntwo\x1b[2J\r") == "one\ntwo\\x1b[2J\\r"
    assert visible("one\ntwo") == "one\\ntwo"


@given(st.text(alphabet=st.characters()))
def test_what_is_shown_can_be_printed_anywhere(text: str) -> None:
    shown = visible(text)
    assert not BLANK.search(shown)
    assert all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in shown)
    shown.encode()
    assert visible(shown) == shown
    assert is_plain(typed(text)) and typed(typed(text)) == typed(text)


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-0.5x", "-inf"]
)
def test_a_spreadsheet_takes_no_text_for_a_formula(text: str) -> None:
    written = csv_field(text)
    assert isinstance(written, str) and written.startswith("'") and written.isprintable()


@pytest.mark.parametrize(
    "value", [-0.5, 3, None, "-0.5", "+1e-3", "-.5", "12", "depth_um", "-1E+9"]
)
def test_numbers_and_words_stay(value: object) -> None:
    assert csv_field(value) == value
    text = io.StringIO()
    csv.writer(text).writerow([csv_field(value)])
    assert text.getvalue().strip('\r\n"') == ("" if value is None else str(value))
