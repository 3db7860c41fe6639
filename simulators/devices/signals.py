"""A soft signal that says what it is measured in."""

from __future__ import annotations

from typing import Any

import numpy as np
from event_model import DataKey
from ophyd import Signal


class SignalWithUnits(Signal):
    """A value with `units` and, for a number, the decimal places worth showing (`precision`).

    A list is described with the type of its elements, so that nobody has to guess it.
    """

    def __init__(self, *, units: str = "", precision: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._units = units
        self._precision = precision

    def describe(self) -> dict[str, DataKey]:
        described: dict[str, DataKey] = super().describe()
        for entry in described.values():
            if self._units:
                entry["units"] = self._units
            if self._precision is not None:
                entry["precision"] = self._precision
            if entry["dtype"] != "string":
                entry["dtype_numpy"] = np.asarray(self.get()).dtype.str
        return described
