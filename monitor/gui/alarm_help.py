"""What an alarm means and what to do, by its condition: shown when an alarm is opened.

The same is told at length in docs/watchdog.md and docs/guide/wrong.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Help:
    """What an alarm means, and what to do."""

    meaning: str
    todo: str


CONDITIONS: dict[str, Help] = {
    "closure": Help(
        "The removed lithium does not agree with the charge, by more than its error explains.",
        "Check electrode_diameter_mm (or electrode_area_cm2), the clock of the cycler "
        "(clock_offset_s), the shift of the scan and the share of valid columns. If all are right, "
        "lithium may have lost contact (dead lithium).",
    ),
    "noise": Help(
        "Heights are noisier than in the earlier scans: small pits may be missed.",
        "Check beam, exposure time and reconstruction; compare a cross-section with one of before.",
    ),
    "grey_levels": Help(
        "The contrast of the slices, or the grey level of lithium, is not that of the first scan.",
        "Check flat fields, normalisation and phase retrieval of the reconstruction.",
    ),
    "registration": Help(
        "The scan cannot be placed on the reference: removal and currents of this scan are not "
        "reliable.",
        "Check how the cell is held and whether the field of view has moved; a new scan shows "
        "whether it lasts.",
    ),
    "valid": Help(
        "Only a part of the columns has a height: the surface was not found in the others.",
        "Check layers and foil_thickness_um of this cell, and whether the electrode is in the "
        "field of view.",
    ),
    "levels_lost": Help(
        "The grey levels of collector, lithium and electrolyte were not found: there are no "
        "heights.",
        "Check layers of this cell, or set grey_levels in its settings.",
    ),
    "refinement": Help(
        "Heights are those of single columns, with several times the error: slices could not wait "
        "in memory.",
        "Set feeds.reorder_memory_MB to the value in the alarm, at the next start of the engine.",
    ),
    "slices_late": Help(
        "A scan is running and no slice has been received for watch.late_s.",
        "Check the reconstruction and the network; if the scan was stopped, nothing has to "
        "be done.",
    ),
    "slices_dead": Help(
        "A scan is running and no slice has been received for watch.dead_s.",
        "Check the reconstruction and the network; if the scan was stopped, make it again.",
    ),
    "cycler_dead": Help(
        "No reading of the cycler has been received for watch.cycler_s: charge and current of "
        "scans are not known.",
        "Check the cycler's program, the bluesky proxy and the network. If the cycler pauses "
        "longer "
        "between readings, set watch.cycler_s above the pause.",
    ),
    "scan_late": Help(
        "The next scan on schedule has not begun.",
        "Check whether the acquisition is running and whether schedule.period_s is its period.",
    ),
    "scan_dead": Help(
        "A whole period has passed without the scan that was due.",
        "Check whether the acquisition is running and whether schedule.period_s is its period.",
    ),
    "recording": Help(
        "The disk does not take what is to be recorded. Maps and events wait in memory; slices do "
        "not.",
        "Free space on the disk, or set experiment.second_dir. The text says how many slices the "
        "recording lacks.",
    ),
}
MISSING_SLICES = Help(
    "Slices of this scan were lost: its maps have holes, and pits there are not seen.",
    "Check the network and the load of this machine. With a resend service (docs/contract.md) lost "
    "slices are sent again.",
)
OTHER = Help(
    "The text of the alarm says what is wrong.",
    "See “When something is wrong” in the guide (Shift+F1).",
)


def help_of(alarm: Mapping[str, Any]) -> Help:
    """What an alarm means and what to do; of one that is not known, where to look."""
    condition = str(alarm.get("condition") or "")
    if not condition and "slice" in str(alarm.get("text", "")):
        return MISSING_SLICES
    return CONDITIONS.get(condition, OTHER)
