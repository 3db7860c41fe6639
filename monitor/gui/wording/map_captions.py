"""Texts beside a map: its scan and name, and the value under the crosshair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from monitor.gui.formatting import as_is, counted, number, with_error
from monitor.gui.state.snapshot import Answer, Choice, Snapshot, crosshair, is_judged
from monitor.gui.widgets import theme
from monitor.quantities.quantity import NEEDS, shown_unit
from monitor.quantities.table import MAPS, PIT_COLUMNS
from monitor.wire.results.cells import Scan
from monitor.wire.results.headers import ReplyHeader


def map_title(name: object) -> str:
    """Title of a map; the words of its name if it is not known here."""
    known = MAPS.get(str(name))
    return str(name).replace("_", " ") if known is None else known.title


def listed(words: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *begin, last = words
    return f"{', '.join(begin)} and {last}" if begin else last


def caption(scan: Scan, snapshot: Snapshot, choice: Choice, subtracted: int | None = None) -> str:
    """The scan, the scan that is subtracted in a difference, and a warning if the map is
    provisional or has holes; as HTML."""
    warn = theme.palette().warn
    text = f"<b>Scan {as_is(scan['scan'])}</b>"
    if subtracted is not None:
        text += f" minus <b>scan {as_is(subtracted)}</b>"
    if scan["provisional"]:
        running = snapshot.running(choice.cell)
        what = "evaluated" if is_judged(scan) else "provisional"
        text += f" <span style='color:{warn}'>· {what}"
        if running and running.get("slices"):
            text += as_is(f", {running['received']} of {running['slices']} slices")
        text += "</span>"
    elif not scan["complete"]:
        text += f" <span style='color:{warn}'>· {as_is(missing_slices(scan))}</span>"
    return text


def missing_slices(scan: Scan) -> str:
    """How many slices of an incomplete scan are missing."""
    missing = scan.get("slices_missing")
    return f"{counted(missing, 'slice')} missing" if missing else "some slices missing"


def absent(name: str, scan: Scan) -> str:
    """Why a scan does not have this map."""
    title = map_title(name)
    if not is_judged(scan):
        return f"{title} is known once the scan has been evaluated"
    needs = MAPS[name].needs if name in MAPS else ()
    return f"no {title}" + (f": it needs {listed(NEEDS[need] for need in needs)}" if needs else "")


def value_text(
    answer: Answer,
    scan: Scan,
    choice: Choice,
    error: Answer | None = None,
    place: tuple[int, int] | None = None,
) -> str:
    """A `place` (row, column) of the map, by default the crosshair, and the value there with its
    standard error if that is known, as HTML."""
    row, column = place or crosshair(scan, choice)
    _, vy, vx = scan["voxel_size"]
    unit = scan["length_unit"]
    digits = 1 if unit == "µm" else 0
    where = as_is(f"x {column * vx:.{digits}f}, y {row * vy:.{digits}f} {unit}")
    value = value_at(answer.array, answer.header, row, column)
    if value is None and not in_window(answer.header, row, column):
        # its value was not fetched: that says nothing about whether it could be measured
        return f"{where} · outside the part in view (W shows the whole map)"
    value_unit = shown_unit(str(answer.header["units"]))
    text = "not measurable here" if value is None else number(value, 2, value_unit)
    if value is None and choice.masked:
        text = "not measurable here, or below the detection limit"
    sure = value_at(error.array, error.header, row, column) if error and not error.error else None
    if value is not None and sure is not None:
        text = f"{with_error(value, sure)} {value_unit}"
    return f"{where} · <b>{as_is(text)}</b>"


def pit_at(labels: Answer | None, place: tuple[int, int]) -> int | None:
    """The number of the pit at a place (row, column) of the map."""
    if labels is None:
        return None
    found = value_at(labels.array, labels.header, *place)
    return int(found) if found else None


def pit_text(pit: int | None, pits: Answer | None, scan: Scan) -> str:
    """The pit's number and measures."""
    columns = pits.columns if pits else {}
    if pit is None or pit not in columns.get("id", ()):
        return ""
    i = columns["id"].index(pit)
    unit = scan["length_unit"]
    depth, width = (columns[PIT_COLUMNS[name].key(unit)][i] for name in ("depth_max", "diameter"))
    errors = columns.get(PIT_COLUMNS["depth_max_error"].key(unit))
    deep = with_error(depth, errors[i] if errors else None)
    return f"pit {pit}: {deep} deep × {number(width)} {unit} wide"


def grains_text(answer: Answer | None) -> str:
    """Distances of the pits to grain boundaries, or why they are not known."""
    if answer is None:
        return ""
    if answer.error:
        return answer.error
    found = answer.header.get("attraction")
    if not found:
        return "no pits to compare with the grain boundaries"
    return (
        f"pits to grains {number(found['mean_um'])} µm, chance "
        f"{number(found['random_mean_um'])}, p {found['p_value']:.2g}"
    )


def in_window(header: ReplyHeader, row: int, column: int) -> bool:
    """Whether a pixel of the whole map lies in the part that a reply holds."""
    y0, y1, x0, x1 = header["window"]
    return bool(y0 <= row < y1 and x0 <= column < x1)


def value_at(array: Any, header: ReplyHeader, row: int, column: int) -> float | None:
    """The value at a pixel of the whole map; None outside the window or if it is not measurable."""
    if array is None:
        return None
    if not in_window(header, row, column):
        return None
    y0, _, x0, _ = header["window"]
    value = float(array[(row - y0) // header["step"], (column - x0) // header["step"]])
    return value if np.isfinite(value) else None
