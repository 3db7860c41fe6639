"""What an alarm means and what to do, by its condition: shown when an alarm is opened.

docs/reference/watchdog.md and docs/how-to/wrong.md explain the same at length.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.gui.actions import key_of
from monitor.wire.results.cells import Alarm


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
        "Check beam, exposure time and reconstruction; compare cross-sections with earlier ones.",
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
        "Only some of the columns have a height: the surface was not found in the others.",
        "Check layers and foil_thickness_um of this cell, and whether the electrode is in the "
        "field of view.",
    ),
    "levels_lost": Help(
        "The grey levels of collector, lithium and electrolyte were not found: there are no "
        "heights.",
        "Check layers of this cell, or set grey_levels in its settings.",
    ),
    "refinement": Help(
        "Each height was measured from its own column alone, with several times the error: there "
        "was not enough memory to keep the slices.",
        "Set feeds.reorder_memory_MB to the value in the alarm, at the next start of the engine.",
    ),
    "slices_late": Help(
        "A scan is running and no slice has been received for watch.late_s.",
        "Check the reconstruction and the network; if the scan was stopped, nothing has to "
        "be done.",
    ),
    "slices_dead": Help(
        "A scan is running and no slice has been received for watch.dead_s.",
        "Check the reconstruction and the network; if the scan was stopped, repeat it.",
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
        "The disk refuses what is to be recorded. Maps and events are kept in memory until it "
        "accepts them; slices are not.",
        "Free space on the disk, or set experiment.second_dir. The text says how many slices are "
        "missing from the recording.",
    ),
    "recorder": Help(
        "An internal error of pitwatch while it recorded a message: that message is not recorded.",
        "Nothing now: maps and events continue. Keep the recording's folder, which contains the "
        "full error, and report it.",
    ),
    "serving": Help(
        "An internal error of pitwatch while it answered a screen; the recording is not affected.",
        "Try again. Keep the recording's folder, which contains the full error, and report it.",
    ),
    "engine": Help(
        "An internal error of pitwatch has ended the engine; the recording can be resumed.",
        "Start the engine again with the same settings. Keep the error in the recording's folder, "
        "and report it.",
    ),
    "stalled": Help(
        "The disk accepts no data. Nothing is lost: once the queue is full, the producer has to "
        "wait.",
        "Check the disk or its file server.",
    ),
    "lock": Help(
        "The file system of the recording has no locks: a second engine would not be refused.",
        "Make sure that no other engine, on any machine, has the same data_dir.",
    ),
    "clock_ahead": Help(
        "Times of the readings are ahead of the clock of this machine or of the scans: charge is "
        "assigned to wrong times.",
        "Set clock_offset_s of the cell to the value in the text, or correct the cycler's clock.",
    ),
    "clock_behind": Help(
        "Times of the readings are behind the clock of this machine or of the scans: charge is "
        "assigned to wrong times.",
        "Set clock_offset_s of the cell to the value in the text, or correct the "
        "cycler's clock. If "
        "the clock is right, find out what delays the readings.",
    ),
    "time_counter": Help(
        "Times of the readings count from a start (boot, or the beginning of a run), not "
        "from 1970.",
        "Make the feed send UTC seconds (time.time()), or use the offset in the text.",
    ),
    "time_epoch": Help(
        "Times of the readings count from another year than 1970.",
        "Set clock_offset_s of the cell to the value in the text, or correct the feed.",
    ),
    "time_unit": Help(
        "Times of the readings are not in seconds; they are converted.",
        "Nothing now. Later, make the feed send seconds.",
    ),
    "time_still": Help(
        "The timestamps of the readings do not advance; the time of each event is used instead.",
        "Nothing now. If the values do not change either, restart the device.",
    ),
    "clock_set": Help(
        "The clock of the cycler was set while it ran; the difference is added for this run.",
        "Nothing now. Later, keep the cycler's machine on UTC and NTP.",
    ),
    "clock_set_ahead": Help(
        "Readings skip whole half hours around a scan: the clock was set ahead, or there was a "
        "pause.",
        "If the cycler did not pause, set clock_offset_s as the text says, and reprocess the "
        "recording.",
    ),
    "readings_refused": Help(
        "Readings are earlier than the newest one, or at the same time, and are not used.",
        "Check whether the cycler's clock was set back, or whether readings are sent twice.",
    ),
    "scan_clock": Help(
        "start_time and stop_time of the scans do not agree with the clock of this machine.",
        "Correct the producer: both are UTC seconds since 1970.",
    ),
    "scan_time": Help(
        "The times in the header of a scan are in a wrong unit or order; they are converted.",
        "Nothing now. Later, correct the producer.",
    ),
    "two_cyclers": Help(
        "Two runs send readings of this cell at the same time: charge and current are "
        "not reliable.",
        "Stop one of the feeds, or give it the name of its own cell.",
    ),
    "no_current": Help(
        "Readings of this cell are received, but none of the newest has a current or charge: "
        "charge, coulometry and closure are missing.",
        "Correct the cycler's feed, or `keys` of this cell. Scans are corrected once a current "
        "is received.",
    ),
    "connection": Help(
        "A connection was lost for a reason that will not resolve itself; pitwatch keeps trying.",
        "The text names the address, the reason, and what to check.",
    ),
}
MISSING_SLICES = Help(
    "Slices of this scan were lost: its maps have holes, and pits in them are not detected.",
    "Check the network and the load of this machine. With a resend service "
    "(docs/reference/slices.md) lost slices are sent again.",
)
OTHER = Help(
    "The text of the alarm says what is wrong.",
    f"See “When something is wrong” in the guide ({key_of('guide')}).",
)


def help_of(alarm: Alarm) -> Help:
    """What an alarm means and what to do; of one that is not known, where to look."""
    # a connection's has the setting and the address behind it
    condition = str(alarm.get("condition") or "").partition(" ")[0]
    if not condition and "slice" in str(alarm.get("text", "")):
        return MISSING_SLICES
    return CONDITIONS.get(condition, OTHER)
