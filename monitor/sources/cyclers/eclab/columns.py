"""Names of columns as EC-Lab and BT-Lab have written them through the years → what is in them.

`Ewe/V`, `<Ewe>/V` and `<Ewe/V>` are one quantity in one unit; so are `I/mA` and `<I>/mA`, the mean
of an interval.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.sources.cyclers.table import Column
from monitor.units import FACTORS

VOLTS, MILLIAMPERES, MILLIAMPERE_HOURS = (
    FACTORS[quantity] for quantity in ("potential_V", "current_mA", "charge_mAh")
)
SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
NO_UNIT = {"": 1.0}

QUANTITIES = {
    "time": ("time", SECONDS),
    "ewe": ("potential", VOLTS),
    "ecell": ("potential", VOLTS),
    "ewe-ece": ("difference", VOLTS),
    "i": ("current", MILLIAMPERES),
    "control": ("control", MILLIAMPERES),
    "(q-qo)": ("charge", MILLIAMPERE_HOURS),
    "q-qo": ("charge", MILLIAMPERE_HOURS),
    "dq": ("charge_step", MILLIAMPERE_HOURS),
    "cycle number": ("cycle", NO_UNIT),
    "half cycle": ("half_cycle", NO_UNIT),
    "ns": ("step", NO_UNIT),
}
"""Quantity → what it is to us, and its units with their factor to ours."""
MEAN_FIRST = ("current",)
"""Of these the mean of the interval is taken if there are both."""


def role(name: str) -> tuple[str, float] | None:
    """What a column is to us and the factor to our unit (s, V, mA, mA·h); None if not used."""
    text = name.replace("<", "").replace(">", "").strip().casefold()
    text = text.replace("μ", "u").replace("µ", "u")
    quantity, slash, unit = text.rpartition("/")
    kind, units = QUANTITIES.get((quantity if slash else text).strip(), ("", NO_UNIT))
    factor = units.get((unit if slash else "").strip().replace(".", "").replace("·", ""))
    return (kind, factor) if kind and factor is not None else None


def by_role(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns that are used, in our units, by what they are; the best of each."""
    found: dict[str, tuple[int, Column]] = {}
    for name, values in columns.items():
        if (known := role(name)) is None:
            continue
        kind, factor = known
        rank = int(("<" in name) != (kind in MEAN_FIRST)) + 2 * ("ecell" in name.casefold())
        if kind not in found or rank < found[kind][0]:
            found[kind] = (rank, values * factor)
    return {kind: values for kind, (_, values) in found.items()}
