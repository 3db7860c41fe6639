"""Values of events: what the rules of the policy judge, the `findings` of a decision."""

from __future__ import annotations

from monitor.quantities.quantity import Quantity

# fmt: off
FINDINGS = (
    Quantity("new_pits", "new significant pits",
             "Significant pits for which no scan was requested yet.", digits=None, form="count",
             needs=("reference",)),
    Quantity("growth", "fastest growth of a pit in depth",
             "Growth in depth since the previous scan, of the pit that grows fastest.", "µm/h",
             needs=("pits", "previous", "voxel size")),
    Quantity("current", "local current density, P99",
             "99th percentile of the running current density over the map.", "mA/cm2",
             needs=("charge", "reference", "voxel size")),
    Quantity("depth", "deepest penetration at the next scan",
             "Depth of the deepest pit below the first surface at the next periodic scan.", "µm",
             needs=("charge", "pits", "stripping", "voxel size")),
    Quantity("closure", "closure", "Averaged ÷ coulometry, judged once 1 µm has been stripped.",
             needs=("charge", "reference", "current", "voxel size")),
    Quantity("current_step", "step of the applied current density",
             "Change of the applied current density since the previous scan with a known charge.",
             "mA/cm2", needs=("charge", "previous")),
    Quantity("moss_front", "front of the deposit above the first surface, P99",
             "99th percentile of the height of the deposit front above the first surface.", "µm",
             needs=("reference", "deposit")),
    Quantity("breakthrough", "time until a pit may reach the collector",
             "Low end (5 %) of the time until a pit reaches the collector at constant current.",
             "h", digits=1, needs=("charge", "pits", "stripping", "voxel size")),
)
# fmt: on
