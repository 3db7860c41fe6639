"""Settings of one cell."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.settings.channels import Channels
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
    """Fixes the grey levels of layers; those that are not given are found from the data."""

    collector: float | None = None
    """Grey level of the current collector."""
    lithium: float | None = None
    """Grey level of lithium."""
    electrolyte: float | None = None
    """Grey level of the electrolyte, or separator, that touches the lithium."""
    noise: Positive | None = None
    """Standard deviation of one voxel."""


class BoundarySettings(Section):
    """A picture of the grain boundaries of a cell (SEM, EBSD), for screen and report."""

    image: Annotated[str, Field(min_length=1)]
    """PNG, TIFF, JPEG or BMP file; a relative path starts in the folder of the settings' file."""
    lines: Literal["bright", "dark"] = "bright"
    """Whether the boundaries are drawn brighter or darker than the grains."""
    landmarks: Annotated[tuple[Landmark, ...], Field(min_length=3)]
    """At least three points that are visible in both, as [row, column, y, x]: row and column in
    the picture
    (pixels, the centre of the first at 0), y and x on the map (µm)."""
    near_um: Positive = 5.0
    """A pit is counted as being at a boundary if it is nearer than this."""
    shift_by_scan: Annotated[int, Field(ge=0, strict=True)] | None = None
    """The picture is moved to fit the pits of this scan; only pits that appeared later are then
    counted."""


class CellSettings(Section):
    """One cell in the beam."""

    name: Annotated[str, Field(pattern=CELL_NAME)]
    """Name of the cell, as in the headers of the slices and in the documents of its cycler."""
    electrode_diameter_mm: Positive | None = None
    """Diameter of a round electrode; 5 mm if neither it nor `electrode_area_cm2` is set."""
    electrode_area_cm2: Positive | None = None
    """Area of the electrode, instead of its diameter."""
    foil_thickness_um: Positive = 135.0
    """Nominal thickness of the lithium foil."""
    capacity_mAh: Positive | None = None
    """Practical capacity of the cell; without it, the state of charge is not known."""
    layers: tuple[LayerName, ...] = ("collector", "lithium", "electrolyte")
    """What the slices show, in the order of the slice index: collector, lithium, electrolyte, or
    exactly reversed; the collector may be left out."""
    stripping_current_sign: Literal[-1, 1] = -1
    """Sign of the cycler's current while lithium is stripped."""
    clock_offset_s: Annotated[float, Field(allow_inf_nan=False, strict=True)] = 0.0
    """Added to the time of each reading: positive if the cycler's clock is behind."""
    hold_current_s: NotNegative = 300.0
    """Time for which the current of the last reading is assumed to continue. Set it above the pause
    between readings."""
    keys: dict[Quantity, str] = Field(default_factory=DEFAULT_KEYS.copy)
    """Data keys of the cycler's documents, by quantity; any of them may be absent."""
    channels: Channels = Field(default_factory=dict)
    """Other scalars of the documents, of this cell alone, by name."""
    grey_levels: GreyLevels = GreyLevels()
    """Fixes grey levels that are otherwise found from the data."""
    boundaries: BoundarySettings | None = None
    """A picture of the grain boundaries."""

    @model_validator(mode="after")
    def _check(self) -> CellSettings:
        if self.electrode_diameter_mm is not None and self.electrode_area_cm2 is not None:
            raise ValueError("electrode_diameter_mm or electrode_area_cm2, not both")
        if self.layers not in LAYER_ORDERS:
            raise ValueError(
                "layers must be collector, lithium, electrolyte (or without collector), in the "
                "order of increasing slice index or exactly reversed"
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
        """True if the slice index grows from the electrolyte down to the lithium."""
        return self.layers[0] == "electrolyte"

    @property
    def has_collector(self) -> bool:
        return "collector" in self.layers
