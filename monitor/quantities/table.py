"""The table by kind and name: what recordings, wire, screen, report and documentation look up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitor.quantities import charge, decisions, maps, pits, surface
from monitor.quantities.quantity import Form, Quantity, unit_in_name


def _by_name(*groups: Iterable[Quantity]) -> Mapping[str, Quantity]:
    return {quantity.name: quantity for group in groups for quantity in group}


SCALARS = _by_name(
    charge.CHARGE,
    surface.THICKNESS,
    pits.PITS,
    pits.FORECAST,
    pits.DEPOSIT,
    surface.TEXTURE,
    surface.PLACE,
    surface.QUALITY,
)
MAPS = _by_name(maps.MAPS)
LABELS = maps.LABELS
PIT_COLUMNS = _by_name(pits.COLUMNS)
READINGS = _by_name(maps.READINGS)
FINDINGS = _by_name(decisions.FINDINGS)

CURRENT_MAPS = tuple(name for name, one in MAPS.items() if not one.is_length)
INTERFACE_MAPS = tuple(name for name, one in MAPS.items() if one.is_length)

DISCHARGE_ROW = {
    "discharge": SCALARS["discharge"],
    "current_density_mA_cm2": SCALARS["discharge_current_mA_cm2"],
    **{
        name: SCALARS[name]
        for name in (
            "charge_mAh", "charge_mAh_cm2", "coulometry", "averaged", "complete", "closure"
        )
    },
}  # fmt: skip
"""Columns of the paper's Table 1, a row for each discharge, by their names in the row."""

_OF_KEY = {
    quantity.key(unit): (quantity, unit)
    for table in (SCALARS, PIT_COLUMNS)
    for quantity in table.values()
    for unit in ("voxel", "µm")
}


def of_key(key: str) -> Quantity | None:
    """The scalar or pit column with this key, in either length unit; None if there is none."""
    return _OF_KEY[key][0] if key in _OF_KEY else None


def form_of(key: str) -> Form:
    """Form of the scalar or pit column with this key; a number if it is not known here."""
    return _OF_KEY[key][0].form if key in _OF_KEY else "number"


def recorded_units(key: str) -> str:
    """Unit of a scalar or pit column in files; the one in its name if it is not known here."""
    if key not in _OF_KEY:
        return unit_in_name(key)
    quantity, length_unit = _OF_KEY[key]
    return quantity.recorded_units(length_unit)


def keyed(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers by the names of their quantities → by their keys, lengths in µm."""
    return {SCALARS[name].key("µm"): value for name, value in numbers.items()}
