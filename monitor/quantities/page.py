"""The reference page of the table.

`python -m monitor.quantities.page > docs/reference/quantities.md`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.quantities import table
from monitor.quantities.quantity import NEEDS, Quantity

HEAD = """# Quantities

Every number of a scan, every map and every column: its name in files and on the wire, its unit, its
title on the screen and in the report, and what it means. This page is made from the table in
`monitor/quantities`, by `python -m monitor.quantities.page > docs/reference/quantities.md`.

Lengths, areas and volumes are named for a known voxel size; if it is not known, they are in voxels,
with `_voxel`, `_voxel2` or `_voxel3` instead of `_um`, `_um2` or `_um3`. A unit of 1 is a
number without a unit, no unit is text. Shares are from 0 to 1, and are shown in percent. NaN (in
JSON null) means not known.

*Error* names the standard error (of `closure` and `absolute`, it is in proportion). *Needs* says
what must be known before there is a value:
"""
PARTS = (
    ("Scalars of a scan", "`/entry/summary/` of a recording, the scans of `state`.", table.SCALARS),
    ("Maps", "(ny, nx) float32, NaN = not measurable.", table.MAPS),
    (
        "Pits",
        "`/entry/pits/` of a recording, replies to `pits`: a row for each pit.",
        table.PIT_COLUMNS,
    ),
    ("Readings", "`cycler.h5` of a recording, replies to `cycler`.", table.READINGS),
    ("Event values", "`findings` of a `decision`: what each rule judges.", table.FINDINGS),
)


def page() -> str:
    """The whole page, Markdown."""
    parts = [HEAD, "".join(f"- *{need}*: {text}\n" for need, text in NEEDS.items())]
    for title, where, quantities in PARTS:
        parts.append(f"## {title}\n\n{where}\n\n{_table(quantities)}")
    labels = table.LABELS
    parts.append(f"`{labels.name}` (ny, nx) int32: {labels.help}\n")
    return "\n".join(parts)


def _table(quantities: Mapping[str, Quantity]) -> str:
    rows: Iterable[tuple[str, ...]] = (
        (
            f"`{one.key('µm')}`",
            one.units("µm"),
            one.title,
            one.help,
            f"`{quantities[one.error].key('µm')}`" if one.error else "",
            ", ".join(one.needs),
        )
        for one in quantities.values()
    )
    head = ("name", "unit", "title", "meaning", "error", "needs")
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    print(page(), end="")
