"""Scalars of a scan that depend on charge: the cycler's numbers, coulometry, current density."""

from __future__ import annotations

from monitor.quantities.quantity import LENGTH, Quantity

# fmt: off
CHARGE = (
    Quantity("time", "Time", "Middle of the scan, seconds since 1970 (UTC).", "s", 1),
    Quantity("reason", "Reason", "Why the scan was made: reference, periodic, extra or manual.",
             form="text"),
    Quantity("request", "Request", "Id of the scan request that the scan answers.", form="text"),
    Quantity("charge_state", "Charge state",
             "How readings of the cycler cover the scan: final, interpolated, extrapolated, "
             "preliminary, unknown or none. Charge-based numbers can still change if it is "
             "extrapolated, preliminary or none.", form="text"),
    Quantity("soc", "SOC",
             "State of charge, by the charge since the start and the capacity of the cell.",
             digits=0, form="share", needs=("charge", "capacity")),
    Quantity("step", "Step", "Charge, discharge or rest at the time of the scan.", form="text",
             needs=("charge",)),
    Quantity("discharge", "Discharge", "Number of the discharge that began last, from 1.",
             digits=None, form="count", needs=("charge",)),
    Quantity("charge_mAh", "Charge", "Net charge stripped since the reference scan.",
             needs=("charge",)),
    Quantity("charge_mAh_cm2", "Areal charge",
             "Net charge stripped since the reference scan, per area of the electrode.",
             needs=("charge",)),
    Quantity("current_mA_cm2", "Applied current density",
             "Current of the cycler at the time of the scan, per area of the electrode.",
             needs=("charge",)),
    Quantity("mean_current_mA_cm2", "Mean applied current density",
             "Mean since the reference scan, over the time in which current flowed.",
             needs=("charge", "reference", "current")),
    Quantity("interval_current_mA_cm2", "Applied current density of the interval",
             "Mean since the previous scan, over the time in which current flowed.",
             needs=("charge", "previous", "current")),
    Quantity("discharge_charge_mAh_cm2", "Areal charge of the discharge",
             "Net charge stripped since the last discharge began, per area of the electrode.",
             needs=("charge",)),
    Quantity("discharge_current_mA_cm2", "Applied current density of the discharge",
             "Mean since the last discharge began, over the time in which current flowed.",
             needs=("charge", "current")),
    Quantity("coulometry", "Coulometry",
             "Thickness of dense lithium for the charge since the reference scan, by Faraday's "
             "law: 4.8491 µm per mAh/cm².", LENGTH, 1, needs=("charge", "reference", "voxel size")),
    Quantity("closure", "Closure",
             "Averaged ÷ coulometry (the thickness by Faraday's law): 1 if all charge is found as "
             "removed lithium.", error="averaged_error",
             needs=("charge", "reference", "current", "voxel size")),
    Quantity("j_p1", "Current density, P1",
             "1st percentile of the cumulative current density over the map.", "mA/cm2",
             needs=("charge", "reference", "current")),
    Quantity("j_p50", "Current density, P50",
             "Median of the cumulative current density over the map.", "mA/cm2",
             needs=("charge", "reference", "current")),
    Quantity("j_p99", "Current density, P99",
             "99th percentile of the cumulative current density over the map.", "mA/cm2",
             needs=("charge", "reference", "current")),
    Quantity("j_running_p99", "Running current density, P99",
             "99th percentile of the running current density over the map.", "mA/cm2",
             needs=("reference", "voxel size")),
    Quantity("min_detectable_j_mA_cm2", "Detection limit of the current density",
             "Smallest cumulative current density that one pixel can show (Currie 1968).",
             needs=("charge", "reference", "current", "voxel size")),
    Quantity("min_detectable_j_interval_mA_cm2", "Detection limit of the interval",
             "Smallest interval current density that one pixel can show (Currie 1968).",
             needs=("charge", "previous", "current", "voxel size")),
)
# fmt: on
