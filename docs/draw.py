"""Draws the pictures of the developer's pages: `python docs/draw.py` writes them to docs/images.

Boxes are dark with light text, lines and labels grey, the background is left out: so they can be
read on a light page and on a dark one, in a browser and in Qt.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
BLUE, GREEN, GREY, LINE = "#2f5d8a", "#3b6b4a", "#56606b", "#737c86"
WIDTH, ROW, GAP = 920, 58, 12

ROOMS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("cli", "the commands; the only room that knows all others"),),
    (
        ("gui", "the screen"),
        ("report", "table, figures, backtest"),
        ("export", "for other programs"),
        ("reprocess", "other settings, on Dask"),
        ("simulators", "foil, cell, beamline"),
    ),
    (
        ("playback", "a recording as live, or opened"),
        ("control", "results as process variables, bluesky documents"),
    ),
    (("engine", "feeds, requests, screens; the compute thread"),),
    (("sources", "files as live feeds: volumes, cyclers, publish"),),
    (("recording", "write, read, resume, verify, replay"),),
    (
        ("core", "pure: one record in, events and results out"),
        ("wire", "bytes ↔ records"),
        ("sockets", "ZeroMQ connections"),
    ),
    (
        ("records", "what travels, frozen"),
        ("settings", "by section, validated"),
        ("quantities", "every number, once"),
    ),
)
"""From top to bottom: a room imports from those below it and beside it."""


def box(x: int, y: int, w: int, h: int, name: str, text: str, fill: str = BLUE) -> str:
    """A box with its name, and what it does below."""
    middle, line = x + w // 2, y + h // 2
    return (
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="{fill}"/>'
        f'<text x="{middle}" y="{line - 4}" fill="#ffffff" font-weight="bold">{escape(name)}</text>'
        f'<text x="{middle}" y="{line + 15}" fill="#dfe6ee" font-size="12">{escape(text)}</text>\n'
    )


def arrow(start: tuple[int, int], stop: tuple[int, int]) -> str:
    """A straight arrow, along x or along y."""
    (x0, y0), (x1, y1) = start, stop
    dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    left, right = (x1 - 9 * dx + 5 * dy, y1 - 9 * dy + 5 * dx), (
        x1 - 9 * dx - 5 * dy, y1 - 9 * dy - 5 * dx,
    )  # fmt: skip
    return (
        f'<path d="M{x0} {y0}L{x1 - 8 * dx} {y1 - 8 * dy}" stroke="{LINE}" stroke-width="2"/>'
        f'<path d="M{x1} {y1}L{left[0]} {left[1]}L{right[0]} {right[1]}Z" fill="{LINE}"/>\n'
    )


def label(x: int, y: int, text: str, anchor: str = "middle") -> str:
    """Words beside an arrow."""
    return (
        f'<text x="{x}" y="{y}" fill="{LINE}" font-size="12" text-anchor="{anchor}">'
        f"{escape(text)}</text>\n"
    )


def picture(height: int, title: str, *parts: str) -> str:
    """The whole file."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="15" '
        f'text-anchor="middle">\n<title>{escape(title)}</title>\n{"".join(parts)}</svg>\n'
    )


def rooms() -> str:
    """All rooms, in rows."""
    parts = []
    for row, names in enumerate(ROOMS):
        wide = (WIDTH - GAP * (len(names) - 1)) // len(names)
        for column, (name, text) in enumerate(names):
            fill = GREEN if name == "core" else GREY if name == "simulators" else BLUE
            parts.append(box(column * (wide + GAP), row * (ROW + GAP), wide, ROW, name, text, fill))
    return picture(len(ROOMS) * (ROW + GAP) - GAP, "Rooms: each imports from those below", *parts)


def processes() -> str:
    """The processes, and what passes between them."""
    return picture(
        360,
        "Processes, and what passes between them",
        box(0, 60, 190, 64, "reconstruction", "or publish, simulate", GREY),
        box(0, 220, 190, 64, "cycler", "through a bluesky Proxy", GREY),
        arrow((190, 92), (330, 92)),
        label(260, 82, "slices"),
        arrow((190, 252), (330, 252)),
        label(260, 242, "documents"),
        f'<rect x="330" y="30" width="260" height="284" rx="6" fill="none" stroke="{BLUE}" '
        'stroke-width="2"/>\n',
        label(460, 20, "engine"),
        box(350, 60, 220, 64, "feeds", "decoded, bounded in bytes"),
        arrow((460, 124), (460, 148)),
        box(350, 148, 220, 64, "session", "the pure core: no clock, no I/O", GREEN),
        arrow((460, 212), (460, 236)),
        box(350, 236, 220, 64, "results", "recorder, publisher, requester"),
        box(730, 30, 190, 64, "screens", "any number, here or remote"),
        box(730, 148, 190, 64, "acquisition", "bluesky, BLISS, SPEC, EPICS", GREY),
        box(730, 266, 190, 64, "recording", "HDF5, journal, events"),
        arrow((590, 62), (730, 62)),
        label(660, 52, "events, maps"),
        arrow((730, 82), (590, 82)),
        label(660, 98, "queries, orders"),
        arrow((590, 170), (730, 170)),
        label(660, 160, "scan requests"),
        arrow((730, 190), (590, 190)),
        label(660, 206, "replies"),
        arrow((590, 288), (730, 288)),
        label(660, 278, "all that came in"),
        label(660, 306, "all that came out"),
        label(460, 344, "replay and open put a recording in the place of all feeds"),
    )


PICTURES = {"processes.svg": processes, "rooms.svg": rooms}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(draw(), "utf-8")
