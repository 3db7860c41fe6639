"""Repairs what can be repaired of a recording without inventing anything; reports what was done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from monitor.errors import RecordingError
from monitor.recording import files, format
from monitor.recording.read.experiment import open_experiment
from monitor.recording.resume import interrupted
from monitor.recording.verify.cell import BROKEN
from monitor.recording.verify.findings import Finding, Findings, name_in
from monitor.recording.verify.logs import check_journal
from monitor.recording.write import disk_space
from monitor.recording.write.cell_logs import append_readings
from monitor.recording.write.cell_master import Master
from monitor.recording.write.channels_file import Waiting, append_values

ORDER = ("line", "part", "readings", "channels", "master", "lock")
"""The lock last: until then it is held, so that no engine resumes the recording."""


def repair(folder: Path, findings: Findings) -> list[str]:
    """Repairs what `findings` of this folder say can be; one line for each thing done.

    Raises RecordingError if an engine records into it, or the disk refuses.
    """
    done: list[str] = []
    if not any(finding.mend for finding in findings.found):
        return done
    if interrupted.is_growing(folder):
        raise RecordingError(
            f"{folder}: an engine records into it now ({interrupted.LOCK_FILE} is held); nothing "
            "was repaired; stop the engine first"
        )
    try:
        if (found := files.strange(folder)) is not None:
            path, what = found
            raise RecordingError(f"{path}: is {what}; nothing was repaired; remove it first")
        with interrupted.held(folder):
            _mend_all(folder, findings, done)
    except OSError as error:
        raise RecordingError(
            f"{folder}: cannot be repaired ({error.strerror or error}); "
            f"done before: {'; '.join(done) or 'nothing'}"
        ) from None
    return done


def _mend_all(folder: Path, findings: Findings, done: list[str]) -> None:
    disk_space.need(folder, leave=disk_space.LAST_BYTES)
    mended: set[Path] = set()
    for kind in ORDER:
        for finding in findings.found:
            if finding.mend == kind and finding.path not in mended:
                mended.add(finding.path)
                done.append(f"{name_in(folder, finding.path)}: {_mend(folder, finding)}")


def _mend(folder: Path, finding: Finding) -> str:
    path = finding.path
    if finding.mend == "line":
        kept = _free(path)
        shutil.copy2(path, kept)
        interrupted.cut_last_line(path)
        return f"its last line, cut short, was removed; the original is {kept.name}"
    if finding.mend == "part":
        path.rename(path.with_name(path.name.removesuffix(format.PART)))
        Master(path.parent).write()
        return "was complete, and was renamed; the master links to it"
    if finding.mend == "readings":
        return _write_readings(folder, path)
    if finding.mend == "channels":
        return _write_channels(folder, path)
    if finding.mend == "master":
        Master(path.parent).write()
        return "was written again from the scans"
    path.unlink()
    return "no engine held it, and it was removed; the recording stays as it is"


def _write_readings(folder: Path, path: Path) -> str:
    """As an engine that resumes the recording would."""
    settings = open_experiment(folder).settings
    journal = folder / format.JOURNAL_FILE
    told = check_journal(journal, settings, Findings(folder), growing=False, sealed=False)
    readings = told.readings.get(path.parent.name, [])
    copy = _replaced(path, lambda: append_readings(path, readings))
    return f"was written again from the journal, with {len(readings)} readings{copy}"


def _write_channels(folder: Path, path: Path) -> str:
    """As an engine that resumes the recording would."""
    settings = open_experiment(folder).settings
    journal = folder / format.JOURNAL_FILE
    told = check_journal(journal, settings, Findings(folder), growing=False, sealed=False)
    name = path.parent.name
    channels = {channel: one for channel, (_, one) in settings.channels_of(name).items()}
    values = told.channels.get(name, {})
    waiting = {
        channel: Waiting(one.unit, list(zip(one.times, one.values, strict=True)))
        for channel, one in values.items()
    }
    copy = _replaced(path, lambda: append_values(path, channels, waiting))
    count = sum(len(one.times) for one in values.values())
    return f"was written again from the journal, with {count} values{copy}"


def _replaced(path: Path, write: Callable[[], None]) -> str:
    """Writes a file again, and keeps the one that was there: its name, in words. Raises OSError;
    nothing has changed then."""
    kept = _free(path) if path.exists() else None
    if kept is not None:
        path.rename(kept)
    try:
        write()
    except OSError:
        if kept is not None:
            kept.replace(path)
        raise
    return f"; the original is {kept.name}" if kept is not None else ""


def _free(path: Path) -> Path:
    """A name for the copy that nothing has yet."""
    number, kept = 2, path.with_name(path.name + BROKEN)
    while os.path.lexists(kept):
        number, kept = number + 1, path.with_name(f"{path.name}.{number}{BROKEN}")
    return kept
