"""What commands print: readable on every terminal, nothing in it an order to the terminal, and
never a reason to end."""

from __future__ import annotations

import codecs
import io
import sys
import threading
import traceback
import unicodedata
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

from monitor.plain_text import visible, visible_lines

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
    error would end the command otherwise. What it can show stays. An error that ends a thread or
    the command is printed without what would act on the terminal."""
    sys.excepthook = _print_error
    threading.excepthook = lambda args: _print_error(
        args.exc_type, args.exc_value, args.exc_traceback
    )
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


def _print_error(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """As the interpreter does."""
    if kind is not SystemExit:
        said = "".join(traceback.format_exception(kind, error, trace))
        print(visible_lines(said.rstrip("\n")), file=sys.stderr)


class Messages(Console):
    """Prints the lines and tables of a command. Texts are printed as they are: no markup, no
    emoji, no control sequences. If nobody listens any more (a closed pipe, a terminal that has
    gone), the work continues."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError:
            self.quiet = True

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible_lines(text), **options)

    def on_broken_pipe(self) -> None:
        self.quiet = True


def labelled(label: str, style: str, message: object) -> Text:
    """A message in one line, behind a coloured word that says what it is."""
    return Text.assemble((f"{label}:", style), " ", visible(message))


def progress_of(console: Messages, *more: ProgressColumn) -> Progress:
    """Bars beside texts, which are shown as they are; give `visible` ones."""
    text = TextColumn("{task.description}", markup=False)
    return Progress(text, BarColumn(), *more, console=console)
