"""What commands print: readable on every terminal, and never a reason to end."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata
from typing import Any

from rich.console import Console

REPLACEMENTS = {
    "µ": "u", "μ": "u", "σ": "sigma", "Σ": "Sum", "Δ": "d", "ρ": "rho", "°": " deg", "×": "x",
    "·": ".", "±": "+-", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "←": "<-", "≥": ">=",
    "≤": "<=", "≈": "~", "∞": "inf", "‰": " per mille", "“": '"', "”": '"', "„": '"', "‘": "'",
    "’": "'", "•": "*", "█": "#", "━": "-", "╸": "-", "╺": "-", "✓": "ok", "ß": "ss", "ø": "o",
    "Ø": "O", "æ": "ae", "Æ": "AE", "Ω": "Ohm", "√": "sqrt",
}  # fmt: skip
"""What stands for a sign that an output cannot show; of other letters with accents, the letter."""
HANDLER = "pitwatch.readable"
OF_PYTHON = ("strict", "backslashreplace", "surrogateescape")
"""What a stream does by itself about such signs; anything else was asked for."""


def make_readable() -> None:
    """Lets stdout and stderr replace what their encoding (ASCII, Latin-1) cannot show, where an
    error would end the command otherwise. What it can show stays."""
    codecs.register_error(HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in OF_PYTHON:
            stream.reconfigure(errors=HANDLER)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs` for what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_shown(sign, error.encoding) for sign in signs), error.end


def _shown(sign: str, encoding: str) -> str:
    candidates = [REPLACEMENTS.get(sign), unicodedata.normalize("NFKD", sign)]
    for found in (one for one in candidates if one):
        for text in (found, "".join(s for s in found if not unicodedata.combining(s))):
            try:
                text.encode(encoding)
            except UnicodeError:
                continue
            if text:
                return text
    return "?"


class Messages(Console):
    """What is said beside the work: where nobody listens any more (a closed pipe, a terminal that
    has gone), the work goes on."""

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError:
            self.quiet = True

    def on_broken_pipe(self) -> None:
        self.quiet = True
