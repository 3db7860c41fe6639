"""Units of times and readings, however they are written, and what turns them into ours."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.faraday import COULOMB_PER_MAH

TIME_UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
LEAST_S, MOST_S = 1e8, 1e10
"""Seconds since 1970 of 1973 and 2286: in between lies what is taken for a time in another unit."""
MAX_TIME_S = 1e11

PREFIXES = {"": 0, "k": 3, "kilo": 3, "m": -3, "milli": -3, "u": -6, "micro": -6, "n": -9,
            "nano": -9, "p": -12, "pico": -12}  # fmt: skip
"""Powers of ten, without their case: nobody measures megaamperes."""
NAMES: Mapping[str, Mapping[str, tuple[int, float]]] = {
    "potential_V": dict.fromkeys(("v", "volt", "volts"), (0, 1.0)),
    "current_mA": dict.fromkeys(("a", "amp", "amps", "ampere", "amperes"), (3, 1.0)),
    "charge_mAh": {
        **dict.fromkeys(("ah", "amph", "amphour", "amphours", "amperehour"), (3, 1.0)),
        **dict.fromkeys(("c", "coulomb", "coulombs", "as"), (0, COULOMB_PER_MAH)),
    },
}  # fmt: skip
"""Names of units of a quantity: as a power of ten of ours, over a number."""
EXAMPLES = {
    "potential_V": "V, mV, uV",
    "current_mA": "A, mA, uA, nA",
    "charge_mAh": "Ah, mAh, uAh, C, mC",
}
FACTORS: Mapping[str, Mapping[str, float]] = {
    quantity: {
        prefix + name: float(f"1e{power + ten}") / divisor
        for name, (ten, divisor) in names.items()
        for prefix, power in PREFIXES.items()
    }
    for quantity, names in NAMES.items()
}
"""What a value in a unit is multiplied by, by quantity; units as `factor` writes them."""
IGNORED = str.maketrans({"µ": "u", "μ": "u", **dict.fromkeys(" .*·⋅-_")})


def factor(quantity: str, unit: str) -> float | None:
    """What a value of a quantity in a unit is multiplied by to be in ours; 1 if no unit is given,
    or the quantity has none; None if the quantity is not measured in it.

    A potential may be against an electrode: V vs. Li/Li+.
    """
    known = FACTORS.get(quantity)
    if known is None:
        return 1.0
    text = unit.casefold().partition(" vs")[0].translate(IGNORED)
    return known.get(text) if text else 1.0


def seconds(value: float) -> tuple[float, str]:
    """A time in seconds, and the unit that it was given in if that was another, otherwise "".

    No measurement is of the year 5000: what is so large and is a time of our days in milli-, micro-
    or nanoseconds is taken for one. Raises ValueError for what is not a time at all.
    """
    if abs(value) < MAX_TIME_S:
        return value, ""
    for unit, per_second in TIME_UNITS:
        if LEAST_S <= value / per_second < MOST_S:
            return value / per_second, unit
    raise ValueError
