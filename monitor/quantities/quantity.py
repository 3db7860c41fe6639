"""What is known of one number, map or column: name, unit, title, meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Form = Literal["number", "share", "count", "flag", "text"]
Need = Literal[
    "reference",
    "previous",
    "charge",
    "capacity",
    "current",
    "pits",
    "second discharge",
    "stripping",
    "plating",
    "deposit",
    "collector",
    "voxel size",
]
NEEDS: dict[Need, str] = {
    "reference": "the reference scan",
    "previous": "the previous scan",
    "charge": "the charge by the cycler",
    "capacity": "the capacity of the cell",
    "current": "a nonzero current",
    "pits": "a pit",
    "second discharge": "a second discharge",
    "stripping": "a stripping current",
    "plating": "plated lithium",
    "deposit": "a porous deposit",
    "collector": "a visible bottom of the lithium",
    "voxel size": "the voxel size",
}
"""What each need is, in words."""
LENGTH = "length"
"""In a unit: the length unit of the scan, µm or voxel."""

_SUFFIX_UNITS = {
    "_mAh_cm2": "mAh/cm2",
    "_mA_cm2": "mA/cm2",
    "_mAh": "mAh",
    "_mA": "mA",
    "_mm2": "1/mm2",
    "_mrad": "mrad",
    "_MB": "MB",
    "_V": "V",
    "_h": "h",
    "_um": "µm",
    "_um2": "µm2",
    "_um3": "µm3",
    "_voxel": "voxel",
    "_voxel2": "voxel2",
    "_voxel3": "voxel3",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One line of the table.

    `name`: in files and on the wire, without the length unit; `title`: as the screen and the report
    show it; `help`: its definition; `unit`: of what has none in its name, with `length` instead of
    the scan's length unit. `form`: a share is shown in percent. `digits`: decimals, None for whole
    numbers, -1 for a power of ten. `error`: the quantity of the same kind that holds its standard
    error, or the relative one. `needs`: what must be known before it has a value.
    `recorded`: the unit in files, if it is not `unit`.
    """

    name: str
    title: str
    help: str
    unit: str = ""
    digits: int | None = 2
    form: Form = "number"
    error: str = ""
    needs: tuple[Need, ...] = ()
    recorded: str = ""

    @property
    def is_length(self) -> bool:
        """True for a length, an area or a volume: its key has the length unit as its end."""
        return re.fullmatch(f"{LENGTH}[23]?", self.unit) is not None

    def key(self, length_unit: str) -> str:
        """The name in files and on the wire, for a scan with this length unit (µm or voxel)."""
        if not self.is_length:
            return self.name
        return f"{self.name}_{self.unit.replace(LENGTH, word(length_unit))}"

    def units(self, length_unit: str) -> str:
        """The unit, "1" for a number without one, "" for text."""
        if self.form == "text":
            return ""
        return self.unit.replace(LENGTH, length_unit) or unit_in_name(self.name)

    def recorded_units(self, length_unit: str) -> str:
        """The attribute `units` in files."""
        return self.recorded or self.units(length_unit)

    def column(self, length_unit: str) -> str:
        """The name in files for other programs: in ASCII, with its unit at the end."""
        key, unit = self.key(length_unit), self.units(length_unit)
        if unit in ("", "1", unit_in_name(key)):
            return key
        return f"{key}_{re.sub('[^A-Za-z0-9]+', '_', unit.replace('µm', 'um'))}"

    def unit_text(self, length_unit: str) -> str:
        """The unit as an operator reads it; "" if there is none."""
        return "%" if self.form == "share" else shown_unit(self.units(length_unit))

    @property
    def rests_on_charge(self) -> bool:
        """True for a number that can change as long as readings do not cover the scan."""
        return "charge" in self.needs and self.form in ("number", "share")


def word(length_unit: str) -> str:
    """A length unit as keys end in it: um or voxel."""
    return "um" if length_unit == "µm" else "voxel"


def unit_in_name(key: str) -> str:
    """The unit that a key ends in; "1" if it ends in none."""
    for suffix in sorted(_SUFFIX_UNITS, key=len, reverse=True):
        if key.endswith(suffix):
            return _SUFFIX_UNITS[suffix]
    return "1"


def shown_unit(unit: str) -> str:
    """A recorded unit as an operator reads it: mA/cm², mm⁻²; "" for a number without one."""
    if unit in ("1", "1/mm2"):
        return "" if unit == "1" else "mm⁻²"
    return re.sub(r"(?<=[a-z])[23]", lambda power: "²³"[int(power[0]) - 2], unit)
