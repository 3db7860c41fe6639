"""Maps of a scan, and the readings of the cycler."""

from __future__ import annotations

from monitor.quantities.quantity import LENGTH, Need, Quantity

CURRENT = "mA/cm2"
SHARED: tuple[Need, ...] = ("reference", "charge", "current")

# fmt: off
MAPS = (
    Quantity("height", "height",
             "h(x, y): distance from the bottom of the lithium to the lithium/electrolyte "
             "interface.", LENGTH, error="height_error"),
    Quantity("bottom", "bottom", "z position of the bottom of the lithium.", LENGTH),
    Quantity("removal", "removal",
             "d = h₀ − h: lithium removed since the reference (first, pristine) scan.", LENGTH,
             error="removal_error", needs=("reference",)),
    Quantity("cumulative", "cumulative current density",
             "j = j̄ · d/⟨d⟩: mean since the reference scan; its mean over the map is the applied "
             "current density.", CURRENT, error="cumulative_error", needs=SHARED),
    Quantity("interval", "interval current density",
             "The same between this scan and the previous one; not known at rest.", CURRENT,
             error="interval_error", needs=("previous", "charge", "current")),
    Quantity("absolute", "absolute current density",
             "j = d / (4.8491 µm per mAh/cm² · t): by Faraday's law alone, so that a failed "
             "segmentation becomes visible.", CURRENT, error="removal_error",
             needs=("reference", "current", "voxel size")),
    Quantity("running", "running current density",
             "Recursive estimate of the rate of each pixel, with its own variance.", CURRENT,
             error="running_error", needs=("reference", "voxel size")),
    Quantity("deposit_front", "deposit front", "Height of the front of the porous deposit (moss).",
             LENGTH, needs=("deposit",)),
    Quantity("height_error", "height, error",
             "Standard error of the height, from noise and missing slices.", LENGTH),
    Quantity("removal_error", "removal, error", "Standard error of the removal, from both heights.",
             LENGTH, needs=("reference",)),
    Quantity("cumulative_error", "cumulative current density, error",
             "Standard error of the cumulative current density.", CURRENT, needs=SHARED),
    Quantity("interval_error", "interval current density, error",
             "Standard error of the interval current density.", CURRENT,
             needs=("previous", "charge", "current")),
    Quantity("running_error", "running current density, error",
             "Standard error of the running current density, by its own variance.", CURRENT,
             needs=("reference", "voxel size")),
)
# fmt: on
LABELS = Quantity(
    "pit_labels",
    "pit labels",
    "Number of the pit at each pixel, 0 if there is none.",
    digits=None,
    form="count",
    needs=("reference",),
)
# fmt: off
READINGS = (
    Quantity("time", "Time of the reading", "Seconds since 1970 (UTC).", "s", 1),
    Quantity("potential_V", "E", "Potential of the cell.", digits=3),
    Quantity("current_mA", "I", "Current of the cycler.", digits=3),
    Quantity("charge_mAh", "Q", "Charge that the cycler has counted.", digits=3),
    Quantity("cycle", "Cycle", "Number of the cycle.", digits=None, form="count"),
    Quantity("step", "Step number", "Number of the step in the program.", digits=None,
             form="count"),
)
# fmt: on
