"""Settings of one cell."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.settings.section import NotNegative, Positive, Section

LayerName = Literal["collector", "lithium", "electrolyte"]
Quantity = Literal["potential_V", "current_mA", "charge_mAh", "cycle", "step"]
DEFAULT_KEYS: dict[Quantity, str] = {
    "potential_V": "vmp_potential",
    "current_mA": "vmp_current",
    "charge_mAh": "vmp_charge",
    "cycle": "vmp_cycle",
    "step": "vmp_step",
}
CELL_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Finite = Annotated[float, Field(allow_inf_nan=False)]
Landmark = tuple[Finite, Finite, Finite, Finite]
LAYER_ORDERS: tuple[tuple[LayerName, ...], ...] = (
    ("collector", "lithium", "electrolyte"),
    ("electrolyte", "lithium", "collector"),
    ("lithium", "electrolyte"),
    ("electrolyte", "lithium"),
)


class GreyLevels(Section):
    """Fixes the grey level of layers; what is not given is found from the data."""

    collector: float | None = None
    lithium: float | None = None
    electrolyte: float | None = None
    noise: Positive | None = None


class BoundarySettings(Section):
    """A picture of the grain boundaries of a cell's electrode (SEM, EBSD), for screen and report.

    `landmarks`: at least three places that are seen in both, each as row and column in the picture
    (pixels, the centre of the first at 0), then y and x on the map (µm). `shift_by_scan`: the pits
    of that scan show how the picture is to be moved; only pits born after it are counted then.
    """

    image: Annotated[str, Field(min_length=1)]
    lines: Literal["bright", "dark"] = "bright"
    landmarks: Annotated[tuple[Landmark, ...], Field(min_length=3)]
    near_um: Positive = 5.0
    shift_by_scan: Annotated[int, Field(ge=0, strict=True)] | None = None


class CellSettings(Section):
    """One cell in the beam."""

    name: Annotated[str, Field(pattern=CELL_NAME)]
    electrode_diameter_mm: Positive | None = None
    electrode_area_cm2: Positive | None = None
    foil_thickness_um: Positive = 135.0
    capacity_mAh: Positive | None = None
    layers: tuple[LayerName, ...] = ("collector", "lithium", "electrolyte")
    stripping_current_sign: Literal[-1, 1] = -1
    clock_offset_s: Annotated[float, Field(allow_inf_nan=False, strict=True)] = 0.0
    hold_current_s: NotNegative = 300.0
    keys: dict[Quantity, str] = Field(default_factory=DEFAULT_KEYS.copy)
    grey_levels: GreyLevels = GreyLevels()
    boundaries: BoundarySettings | None = None

    @model_validator(mode="after")
    def _check(self) -> CellSettings:
        if self.electrode_diameter_mm is not None and self.electrode_area_cm2 is not None:
            raise ValueError("electrode_diameter_mm or electrode_area_cm2, not both")
        if self.layers not in LAYER_ORDERS:
            raise ValueError(
                "layers must be collector, lithium, electrolyte (or without collector), in the "
                "order of growing slice index or exactly reversed"
            )
        return self

    @property
    def area_cm2(self) -> float:
        """Area of the electrode that the cycler's current flows through."""
        if self.electrode_area_cm2 is not None:
            return self.electrode_area_cm2
        return math.pi / 4.0 * ((self.electrode_diameter_mm or 5.0) / 10.0) ** 2

    @property
    def reversed_z(self) -> bool:
        """True where the slice index grows from the electrolyte down to the lithium."""
        return self.layers[0] == "electrolyte"

    @property
    def has_collector(self) -> bool:
        return "collector" in self.layers
