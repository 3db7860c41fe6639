"""Text that others wrote (names, notes, reasons, files) is shown and printed as what it is.

Nothing in it is carried out by a terminal, turns the direction of reading, or is invisible.
"""

from __future__ import annotations

import re
import unicodedata

BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that print nothing; variation selectors that emoji need are not among them."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def is_plain(text: str) -> bool:
    """Whether a name, note or reason may be sent: no control characters, line separators,
    bidirectional controls, zero-width characters, or blanks other than the space."""
    return text.isprintable()


def visible(text: object) -> str:
    """The text in one line, each character in it to be visible: `\\x1b`, `\\n`, `\\u202e` for those
    that would act on a terminal, a label or the order of reading, or print nothing."""
    words = str(text)
    if words.isprintable() and not BLANK.search(words):
        return words
    return "".join(_shown(sign) for sign in words)


def one_line(text: object) -> str:
    """The same of words that may have been written in several lines: every blank is a space."""
    return visible("".join(" " if sign.isspace() else sign for sign in str(text)))


def visible_lines(text: object) -> str:
    """The same of a text of several lines, whose line breaks are kept."""
    words = str(text)
    return (
        "\n".join(visible(line) for line in words.split("\n")) if "\n" in words else visible(text)
    )


def typed(text: str) -> str:
    """What a person typed or pasted, as it may be sent: one line, every blank a space."""
    return " ".join("".join(sign for sign in text if is_plain(sign) or sign.isspace()).split())


def csv_field(value: object) -> object:
    """A value as it may are in a CSV file: a spreadsheet takes no text for a formula. Numbers
    stay as they are."""
    if not isinstance(value, str) or NUMBER.fullmatch(value):
        return value
    return ("'" if value.startswith(FORMULA) else "") + visible(value)


def _shown(sign: str) -> str:
    if (sign.isprintable() or unicodedata.category(sign) == "Zs") and not BLANK.match(sign):
        return sign
    code = ord(sign)
    if code < 0x100:
        return repr(sign)[1:-1]
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
