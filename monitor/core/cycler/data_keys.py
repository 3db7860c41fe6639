"""What a descriptor says of data keys: their units, and whether their values are in the events."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from monitor.errors import BadMessage
from monitor.plain_text import is_plain
from monitor.settings import CellSettings
from monitor.units import EXAMPLES, factor

MAX_UNIT = 40


def data_keys(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of a descriptor; none if it has none."""
    found = doc.get("data_keys")
    return found if isinstance(found, Mapping) else {}


def unit_of(key: object) -> str:
    """The unit that a descriptor states of a data key, if it is one that can be shown."""
    unit = key.get("units") if isinstance(key, Mapping) else None
    return unit if isinstance(unit, str) and len(unit) <= MAX_UNIT and is_plain(unit) else ""


def external(owner: str, keys: Mapping[str, Any], wanted: Iterable[str]) -> list[BadMessage]:
    """One for each of the wanted keys whose values are in files, not in the events. `owner`: the
    cell or channel, as messages call it."""
    return [
        BadMessage(
            "external_data",
            f"documents: {owner}: the values of {key[:60]!r} are in files (external data), not in "
            "the documents: they are not used. Have the plan read them into its events as well",
        )
        for key in wanted
        if isinstance(keys.get(key), Mapping) and keys[key].get("external")
    ]


def factors(
    cell: CellSettings, units: Mapping[str, str], data: Mapping[str, object]
) -> tuple[dict[str, float], list[BadMessage]]:
    """What the values of an event or page are multiplied by to be in our units, by quantity; and
    one for each quantity that is left out, as its data key is in a unit that is none of it."""
    found: dict[str, float] = {}
    problems = []
    for quantity, key in cell.keys.items():
        scale = factor(quantity, units.get(key, ""))
        if scale is not None:
            found[quantity] = scale
        elif key in data:
            problems.append(
                BadMessage(
                    "reading_unit",
                    f"documents: cell {cell.name}: {key[:60]!r} is in {units[key]}, expected "
                    f"{EXAMPLES[quantity]}; not used. Correct the units of the device, or `keys` "
                    "of this cell",
                )
            )
    return found, problems


def unassigned(
    keys: Container[str], owner: CellSettings | None, others: Iterable[CellSettings]
) -> BadMessage | None:
    """A run of the cell `owner`, or of none, has one of the keys of a cell that has no readings
    (`others`)."""
    found = next(((c.name, key) for c in others for key in c.keys.values() if key in keys), None)
    if found is None:
        return None
    name, key = found
    if owner is None:
        text = (
            f"a run without `cell` in its start document has the data key {key[:60]!r}: it is not "
            "used. If this run reads the cycler, add the cell to the metadata of its plan, such as "
            f"cell={name!r}"
        )
    else:
        text = (
            f"the run of cell {owner.name} has the data key {key[:60]!r} of cell {name}: it is not "
            f"used. A run has the readings of one cell: publish another one with cell={name!r}"
        )
    return BadMessage("no_cell", f"documents: {text}")
