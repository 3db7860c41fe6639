"""Scalars of a scan that its heights alone give: thickness, texture, place, quality."""

from __future__ import annotations

from monitor.quantities.quantity import LENGTH, Quantity

# fmt: off
THICKNESS = (
    Quantity("averaged", "Averaged", "Mean removal over all valid pixels.", LENGTH,
             error="averaged_error", needs=("reference",)),
    Quantity("averaged_error", "Averaged, error",
             "Standard error of averaged, from the scatter between tiles of the map.", LENGTH,
             needs=("reference",)),
    Quantity("complete", "Complete", "Removal of the plateau, without the pits.",
             LENGTH, error="complete_error", needs=("reference",)),
    Quantity("complete_error", "Complete, error",
             "Standard error of complete, by bootstrap over tiles of the map.", LENGTH,
             needs=("reference",)),
    Quantity("complete_low", "Complete, low", "Lower end of the 95 % interval of complete.", LENGTH,
             needs=("reference",)),
    Quantity("complete_high", "Complete, high", "Upper end of the 95 % interval of complete.",
             LENGTH, needs=("reference",)),
    Quantity("complete_separated", "Plateau separated",
             "Whether the removal of the plateau and that of the pits are separate peaks.",
             form="flag", needs=("reference",)),
)
TEXTURE = (
    Quantity("Sa", "Sa", "Mean absolute height above the mean plane (ISO 25178-2).", LENGTH),
    Quantity("Sq", "Sq", "Root mean square height above the mean plane (ISO 25178-2).", LENGTH),
    Quantity("Sz", "Sz",
             "Highest to lowest point (ISO 25178-2); an upper bound, as it includes noise.",
             LENGTH),
    Quantity("Ssk", "Ssk", "Skewness of the heights (ISO 25178-2).", digits=2),
    Quantity("Sku", "Sku", "Kurtosis of the heights (ISO 25178-2).", digits=2),
    Quantity("Svk", "Svk", "Reduced depth of the valleys (ISO 25178-2).", LENGTH),
    Quantity("Vvv", "Vvv", "Volume of the valleys per area, below 80 % material (ISO 25178-2).",
             LENGTH),
    Quantity("Sdr", "Sdr",
             "Developed area in excess of the flat one (ISO 25178-2); an upper bound, as it "
             "includes noise.", form="share"),
)
PLACE = (
    Quantity("registered", "Registered",
             "Whether the lateral shift from the reference is known. If not, the maps are as "
             "measured.", form="flag"),
    Quantity("shift_doubtful", "Shift in doubt",
             "Whether the cell seems to have moved by an unknown distance.", form="flag"),
    Quantity("shift_x", "Shift x",
             "Shift of the cell since the reference towards larger x; the maps are corrected for "
             "it.", LENGTH, 1, error="shift_error", needs=("reference",)),
    Quantity("shift_y", "Shift y",
             "Shift of the cell since the reference towards larger y; the maps are corrected for "
             "it.", LENGTH, 1, error="shift_error", needs=("reference",)),
    Quantity("shift_error", "Shift, error",
             "Standard error of the shift in x and y, the larger of the two.", LENGTH, 1,
             needs=("reference",)),
    Quantity("shift_z", "Shift z",
             "Rise of the bottom of the lithium since the reference; the maps are corrected for "
             "it.", LENGTH, 1, error="shift_z_error", needs=("reference", "collector")),
    Quantity("shift_z_error", "Shift z, error", "Standard error of the shift in z.", LENGTH, 1,
             needs=("reference", "collector")),
    Quantity("tilt_x_mrad", "Tilt x",
             "Rise of the bottom of the lithium along x since the reference.",
             error="tilt_error_mrad", needs=("reference", "collector")),
    Quantity("tilt_y_mrad", "Tilt y",
             "Rise of the bottom of the lithium along y since the reference.",
             error="tilt_error_mrad", needs=("reference", "collector")),
    Quantity("tilt_error_mrad", "Tilt, error", "Standard error of the tilt along x and y.",
             needs=("reference", "collector")),
)
QUALITY = (
    Quantity("noise", "Noise", "Median standard error of a height.", LENGTH),
    Quantity("valid_fraction", "Valid", "Share of the map in which the height is measurable.",
             digits=1, form="share"),
    Quantity("refined", "Refined",
             "Whether heights are measured together with those of neighbouring columns.",
             form="flag"),
    Quantity("refine_memory_MB", "Memory to refine",
             "The feeds.reorder_memory_MB with which the heights would have been refined; unknown "
             "if they are.", digits=None),
    Quantity("cnr", "CNR",
             "Contrast of electrolyte to lithium, divided by the noise of one voxel."),
    Quantity("grey_lithium", "Grey level of lithium", "As in the slices.", digits=1),
    Quantity("grey_electrolyte", "Grey level of electrolyte", "As in the slices.", digits=1),
    Quantity("grey_noise", "Grey noise", "Standard deviation of the grey level of one voxel.",
             digits=1),
    Quantity("slices_missing", "Slices missing",
             "Slices of the scan that were not received in time for its maps.", digits=None,
             form="count"),
    Quantity("slices_recovered", "Slices recovered", "Slices that were lost and were sent again.",
             digits=None, form="count"),
    Quantity("slices_not_recorded", "Slices not recorded",
             "Slices that are in the maps, but were refused by the disk.", digits=None,
             form="count"),
    Quantity("slices_late", "Slices late",
             "Slices that are recorded, but were received too late for the maps.", digits=None,
             form="count"),
)
# fmt: on
