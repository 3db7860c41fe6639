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
        "The lithium removed according to tomography differs from that according to charge by more "
        "than the error explains.",
        "Check electrode_diameter_mm (or electrode_area_cm2), the clock of the cycler "
        "(clock_offset_s), the shift of the scan and the share of valid columns. If all of these "
        "are right, lithium may have lost contact (dead lithium).",
    ),
    "noise": Help(
        "Heights are noisier than in the earlier scans: small pits may be missed.",
        "Check beam, exposure time and reconstruction; compare cross-sections with earlier ones.",
    ),
    "grey_levels": Help(
        "The contrast of the slices, or the grey level of lithium, differs from that of the first "
        "scan.",
        "Check flat fields, normalisation and phase retrieval of the reconstruction.",
    ),
    "registration": Help(
        "The scan cannot be aligned with the reference: its removal and its currents are not "
        "reliable.",
        "Check how the cell is held and whether the field of view has moved; another scan shows "
        "whether the problem persists.",
    ),
    "valid": Help(
        "Only some of the columns have a height: the surface was not found in the others.",
        "Check layers and foil_thickness_um of this cell, and whether the electrode is in the "
        "field of view.",
    ),
    "levels_lost": Help(
        "The grey levels of collector, lithium and electrolyte were not found: no heights could be "
        "measured.",
        "Check layers of this cell, or set grey_levels in its settings.",
    ),
    "refinement": Help(
        "Heights were measured column by column, without their neighbours, and have several times "
        "the usual error: the slices could not be kept in memory.",
        "Set feeds.reorder_memory_MB to the value that the alarm names before the next experiment, "
        "and reprocess this recording with it.",
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
        "longer between readings, set watch.cycler_s above the pause.",
    ),
    "scan_late": Help(
        "The next scheduled scan has not begun.",
        "Check whether the acquisition is running and whether schedule.period_s is its period.",
    ),
    "scan_dead": Help(
        "The next scheduled scan is overdue by a whole period.",
        "Check whether the acquisition is running and whether schedule.period_s is its period.",
    ),
    "recording": Help(
        "The disk refuses data. Maps and events are kept in memory until it accepts them; slices "
        "are not.",
        "Free some space on the disk, or set experiment.second_dir. The alarm states how many "
        "slices are missing from the recording.",
    ),
    "recorder": Help(
        "An internal error occurred while pitwatch recorded a message; this message is missing "
        "from the recording.",
        "No action now: maps and events continue. Keep the recording's folder, which contains the "
        "full error, and report the error.",
    ),
    "serving": Help(
        "An internal error occurred while pitwatch answered a screen; the recording is not "
        "affected.",
        "Try again. Keep the recording's folder, which contains the full error, and report the "
        "error.",
    ),
    "engine": Help(
        "An internal error has ended the engine; the recording can be resumed.",
        "Start the engine again with the same settings. The recording's folder contains the full "
        "error: keep it, and report the error.",
    ),
    "stalled": Help(
        "The disk accepts no data. Nothing is lost: once the queue is full, the producers have to "
        "wait.",
        "Check the disk or its file server.",
    ),
    "lock": Help(
        "The file system of the recording does not support locks: a second engine that records "
        "into the same folder would not be refused.",
        "Make sure that no other engine, on any machine, has the same data_dir.",
    ),
    "clock_ahead": Help(
        "The times of the readings are ahead of this machine's clock, or of the scans: charge is "
        "assigned to the wrong times.",
        "Set clock_offset_s of the cell to the value in the alarm, or correct the cycler's clock.",
    ),
    "clock_behind": Help(
        "The times of the readings are behind this machine's clock, or behind the scans: charge is "
        "assigned to the wrong times.",
        "Set clock_offset_s of the cell to the value in the alarm, or correct the "
        "cycler's clock. If "
        "the clock is right, find out what delays the readings.",
    ),
    "time_counter": Help(
        "The times of the readings are counted from a start (of the computer, or of a run), not "
        "from 1970.",
        "Make the feed send UTC seconds (time.time()), or use the offset in the alarm.",
    ),
    "time_epoch": Help(
        "The times of the readings are counted from a year other than 1970.",
        "Set clock_offset_s of the cell to the value in the alarm, or correct the feed.",
    ),
    "time_unit": Help(
        "The times of the readings are not in seconds; they are converted.",
        "No action now. Later, make the feed send seconds.",
    ),
    "time_still": Help(
        "The timestamps of the readings do not advance; the time of each event is used instead.",
        "No action now. If the values do not change either, restart the device.",
    ),
    "clock_set": Help(
        "The clock of the cycler was changed during the run; the difference is added to the times "
        "of this run.",
        "No action now. Later, keep the cycler's machine on UTC and NTP.",
    ),
    "clock_set_ahead": Help(
        "The readings around a scan are further apart than usual by a multiple of half an hour: "
        "the clock was set ahead, or the cycler paused.",
        "If the cycler did not pause, set clock_offset_s as the alarm says, and reprocess the "
        "recording.",
    ),
    "readings_refused": Help(
        "Readings are not used, because their times are not later than that of the newest reading.",
        "Check whether the cycler's clock was set back, or whether readings are sent twice.",
    ),
    "scan_clock": Help(
        "start_time and stop_time of the scans do not agree with the clock of this machine.",
        "Correct the producer: both are UTC seconds since 1970.",
    ),
    "scan_time": Help(
        "The times in the header of a scan have the wrong unit or order; they are corrected.",
        "No action now. Later, correct the producer.",
    ),
    "two_cyclers": Help(
        "Two runs send readings of this cell at the same time: charge and current are "
        "not reliable.",
        "Stop one of the feeds, or give it the name of its own cell.",
    ),
    "run_failed": Help(
        "The bluesky run that reads the cycler has ended with an error: no readings are received, "
        "and charge and current of later scans are not known.",
        "Start the run again. The alarm states the error; the terminal of its RunEngine has more.",
    ),
    "channel_missing": Help(
        "A channel that is declared in the settings has had no value since the beginning of the "
        "recording.",
        "The alarm says what is known of its data key. If it is not needed, remove it from the "
        "settings before the next experiment.",
    ),
    "no_current": Help(
        "Readings of this cell are received, but the newest ones contain neither current nor "
        "charge: charge, coulometry and closure are missing.",
        "Correct the cycler's feed, or `keys` of this cell. Scans are corrected once a current "
        "is received.",
    ),
    "connection": Help(
        "A connection was lost, and the cause has to be removed; pitwatch keeps trying to connect.",
        "The alarm names the address, the cause, and what to check.",
    ),
}
MISSING_SLICES = Help(
    "Slices of this scan were lost: its maps have holes, in which pits are not detected.",
    "Check the network and the load of this machine. If the producer has a resend service "
    "(docs/reference/slices.md), lost slices are sent again.",
)
OTHER = Help(
    "The text of the alarm says what is wrong.",
    f"See “When something is wrong” in the guide ({key_of('guide')}).",
)


def help_of(alarm: Alarm) -> Help:
    """What an alarm means and what to do; for an unknown alarm, where to look."""
    # a connection's has the setting and the address behind it
    condition = str(alarm.get("condition") or "").partition(" ")[0]
    if not condition and "slice" in str(alarm.get("text", "")):
        return MISSING_SLICES
    return CONDITIONS.get(condition, OTHER)
