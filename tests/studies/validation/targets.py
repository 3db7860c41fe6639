"""What is promised, beside what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tests.studies.validation.pits import LEAST_FOUND, LEAST_KEPT
from tests.studies.validation.scores import LARGEST_BIAS, Z_WITHIN

CLOSURE_WITHIN = 0.01
TABLE_WITHIN_UM = 0.1

Results = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One promise. `name` is unique; `value` must be at most (`sign` "≤") or at least `limit`."""

    name: str
    value: float
    sign: str
    limit: float

    @property
    def met(self) -> bool:
        if not math.isfinite(self.value):
            return False
        return self.value <= self.limit if self.sign == "≤" else self.value >= self.limit


def checks(results: Results) -> list[Check]:
    """All promises that the results speak of."""
    made = []
    for row in results["cnr"]:
        if row.get("target") is not None:
            where = f"{row['case']}, CNR {row['cnr']:g}"
            made += [
                Check(f"rms, {where}", row["rms"], "≤", row["target"]),
                Check(f"|bias|, {where}", abs(row["bias"]), "≤", LARGEST_BIAS),
                Check(f"|z-score's deviation − 1|, {where}", abs(row["z_std"] - 1), "≤", Z_WITHIN),
            ]
    for row in results["kept"]:
        size = f"pit {row['width_um']:g} µm wide, {row['depth_um']:g} µm deep"
        made += [
            Check(f"depth kept, {size}", row["depth_kept"], "≥", LEAST_KEPT),
            Check(f"volume kept, {size}", row["volume_kept"], "≥", LEAST_KEPT),
        ]
    for row in results["by_size"]:
        size = f"pits {row['width_um']:g} µm wide, {row['depth_um']:g} µm deep"
        made += [
            Check(f"recall, {size}", row["recall"], "≥", LEAST_FOUND),
            Check(f"precision, {size}", row["precision"], "≥", LEAST_FOUND),
        ]
    for row in results["drift"]:
        off = abs(row["closure"] - 1)
        made.append(Check(f"|closure − 1|, {row['case']}", off, "≤", CLOSURE_WITHIN))
    for row in results["nothing"]:
        made.append(Check("false onsets in pit-free scans", row["onsets"], "≤", 0))
    for row in results["table"]:
        for name in ("averaged_um", "complete_um"):
            off = abs(row[name] - row[f"true_{name}"])
            what = name.removesuffix("_um").capitalize()
            title = f"{what} against truth, {row['current']:g} mA/cm²"
            made.append(Check(title, off, "≤", TABLE_WITHIN_UM))
    return made
