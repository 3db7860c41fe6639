"""The page: one HTML file beside its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]

STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: right; }
td { white-space: nowrap; }
th { border-bottom: 2px solid #888; vertical-align: bottom; font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
td.missed { background: #f8d7da; }
img { max-width: 100%; }
"""


class Page:
    """Collects headings, text, tables and figures in order."""

    def __init__(self, title: str) -> None:
        self._title = escape(title)
        self._body = [f"<h1>{self._title}</h1>"]

    def heading(self, text: str) -> None:
        self._body.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        self._body.append(f"<p>{escape(text)}</p>")

    def figure(self, name: str, caption: str) -> None:
        """The figure `name`, a file beside the page."""
        self._body.append(f'<p><img src="{escape(name)}" alt="{escape(caption)}"></p>')

    def table(self, rows: Sequence[Row], columns: Sequence[Column]) -> None:
        """One line a row; a cell whose text ends in ✗ is marked."""
        head = "".join(f"<th>{escape(title)}</th>" for title, _ in columns)
        lines = [f"<tr>{head}</tr>"]
        for row in rows:
            cells = [value(row) for _, value in columns]
            marked = ((' class="missed"' if c.endswith("✗") else "", escape(c)) for c in cells)
            lines.append("<tr>" + "".join(f"<td{m}>{c}</td>" for m, c in marked) + "</tr>")
        self._body.append(f"<table>{''.join(lines)}</table>")

    def write(self, path: Path) -> None:
        head = f'<meta charset="utf-8"><title>{self._title}</title><style>{STYLE}</style>'
        whole = ['<!doctype html><html lang="en">', f"<head>{head}</head><body>", *self._body]
        path.write_text("\n".join([*whole, "</body></html>\n"]), "utf-8")


def number(key: str, digits: int = 2, *, sign: bool = False) -> Callable[[Row], str]:
    """A cell of a figure; "–" where there is none."""

    def cell(row: Row) -> str:
        value = row.get(key)
        if value is None or value != value:
            return "–"
        return f"{value:{'+' if sign else ''}.{digits}f}"

    return cell


def percent(key: str, digits: int = 1) -> Callable[[Row], str]:
    """A cell of a share."""

    def cell(row: Row) -> str:
        value = row.get(key)
        return "–" if value is None or value != value else f"{100 * value:.{digits}f} %"

    return cell


def word(key: str) -> Callable[[Row], str]:
    """A cell of plain text."""
    return lambda row: str(row[key])


def judged(key: str, name: str, digits: int, *, sign: bool = False) -> Callable[[Row], str]:
    """A figure that is marked where the row names it among the targets that it misses."""
    plain = number(key, digits, sign=sign)
    return lambda row: plain(row) + (" ✗" if name in row.get("missed", ()) else "")
