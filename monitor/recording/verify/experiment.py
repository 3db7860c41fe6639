"""Checks a recorded experiment, file by file and files against each other. Changes nothing."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TypedDict

from monitor.errors import PitwatchError, RecordingError, SettingError
from monitor.recording import checksums, files, format
from monitor.recording.folder_lock import LOCK_FILE, is_growing
from monitor.recording.read.experiment import Cell, Experiment, Scan, open_experiment, settings_text
from monitor.recording.verify.cell import check_cycler, check_left_over, check_master
from monitor.recording.verify.channels import check_channels
from monitor.recording.verify.findings import Findings, Severity, name_in
from monitor.recording.verify.logs import Told, check_events, check_journal, compare_scan
from monitor.recording.verify.scans import ScanFacts, check_scan
from monitor.settings import Settings


def verify(folder: Path) -> Findings:
    """Looks at everything in a recording. Raises SettingError where `folder` is not a folder."""
    if not folder.is_dir():
        raise SettingError(
            "EXPERIMENT",
            got=str(folder),
            expected="a folder",
            todo="give the folder of a recorded experiment",
        )
    return _Verifier(folder).run()


class _Verifier:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._findings = Findings(folder)
        self._growing = is_growing(folder)
        self._stale = not self._growing and os.path.lexists(folder / LOCK_FILE)
        self._sealed = False
        self._settings: Settings | None = None

    def run(self) -> Findings:
        findings, folder = self._findings, self._folder
        self._lock()
        experiment = self._read_settings()
        cells = self._cells(experiment)
        check_left_over(folder, findings, growing=self._growing, stale=self._stale)
        state = {"growing": self._growing, "sealed": self._sealed}
        journal = folder / format.JOURNAL_FILE
        told = check_journal(journal, self._settings, findings, **state)
        concluded = check_events(folder, [cell.name for cell in cells], findings, **state)
        sound = findings.is_sound(journal) or all(
            finding.mend for finding in findings.found if finding.path == journal
        )
        keep = experiment.has_slices if experiment is not None else None
        for cell in cells:
            scans = [n for name, n in concluded if name == cell.name]
            self._check_cell(cell, told if sound else None, scans, keep)
        return findings

    def _lock(self) -> None:
        path = self._folder / LOCK_FILE
        if self._growing:
            what = "held: an engine records into this folder now"
            self._findings.note(
                path, what, "verify again when it has ended: files that grow are checked less"
            )
        elif self._stale:
            self._findings.warning(
                path,
                "no engine holds it: the recording was interrupted",
                "no lock after a clean end",
                "start the engine with the same settings to resume the recording; or keep it as "
                "it is: `--repair` removes the lock, and it is then never resumed",
                "lock",
            )

    def _read_settings(self) -> Experiment | None:
        path, findings = self._folder / format.SETTINGS_FILE, self._findings
        experiment: Experiment | None = None
        try:
            experiment = open_experiment(self._folder)
            self._settings = experiment.settings
        except PitwatchError as error:
            findings.error(path, str(error), "the settings as used")
        with contextlib.suppress(RecordingError, OSError):
            sound = checksums.settings_are_sound(settings_text(self._folder))
            self._sealed = sound is not None
            if sound is None:
                findings.checked["settings without checksums"] += 1
            if sound is False:
                findings.error(
                    path, "has changed since it was written", "contents that match the checksum"
                )
        return experiment

    def _cells(self, experiment: Experiment | None) -> list[Cell]:
        if experiment is not None:
            return list(experiment.cells.values())
        folders = [f for f in sorted(self._folder.iterdir()) if files.kind(f) == "a folder"]
        return [Cell(f) for f in folders if any(f.glob("scan_*.h5*"))]

    def _check_cell(
        self, cell: Cell, told: Told | None, concluded: list[int], keep: bool | None
    ) -> None:
        findings = self._findings
        if (what := files.kind(cell.path)) != "a folder":
            came = f"is {what}" if what else "missing"
            findings.error(cell.path, came, "the folder of a cell in the settings")
            return
        check_left_over(cell.path, findings, growing=self._growing, stale=self._stale)
        whole = {scan.path: self._check_scan(scan, told, keep) for scan in cell.scans}
        for scan in cell.unfinished:
            self._check_part(scan, told, keep)
        self._missed(cell, told, concluded, {f.start.key.scan for f in whole.values() if f})
        cycler = cell.path / format.CYCLER_FILE
        known = told is not None and self._settings is not None and not self._growing
        readings = told.readings.get(cell.name, []) if known and told is not None else None
        # where it was interrupted, the last second of readings may not have reached the disk
        open_ended = self._stale or self._growing
        check_cycler(cycler, readings, findings, open_ended=open_ended, growing=self._growing)
        self._check_channels(cell, told if known else None, open_ended=open_ended)
        if not self._growing and all(whole.values()) and findings.is_sound(*whole):
            check_master(cell.path, list(whole), findings)

    def _check_channels(self, cell: Cell, told: Told | None, *, open_ended: bool) -> None:
        settings = self._settings
        if settings is None:
            return
        check_channels(
            cell.path / format.CHANNELS_FILE,
            {name: one for name, (_, one) in settings.channels_of(cell.name).items()},
            None if told is None else told.channels.get(cell.name, {}),
            self._findings,
            open_ended=open_ended,
            growing=self._growing,
        )

    def _check_scan(self, scan: Scan, told: Told | None, keep: bool | None) -> ScanFacts | None:
        findings, path = self._findings, scan.path
        if files.kind(path):
            return None  # told among what is left over
        facts = check_scan(scan, findings, keep_slices=keep, growing=False)
        if facts is not None and facts.start.key.cell != path.parent.name:
            findings.error(
                path, f"contains a scan of cell {facts.start.key.cell}", path.parent.name
            )
        if facts is not None and told is not None and not self._growing:
            compare_scan(path, facts, path.name, told, findings, whole=True)
        return facts

    def _check_part(self, scan: Scan, told: Told | None, keep: bool | None) -> None:
        findings, path = self._findings, scan.path
        if files.kind(path):
            return
        facts = check_scan(scan, findings, keep_slices=keep, growing=self._growing)
        name = path.name.removesuffix(format.PART)
        if self._growing:
            if not path.exists():  # it has got its name meanwhile
                findings.found = [f for f in findings.found if f.path != path]
            return
        if facts is not None and told is not None:
            compare_scan(path, facts, name, told, findings, whole=facts.whole)
        if facts is not None and facts.whole and not path.with_name(name).exists():
            what = "this scan is complete, but its writer was stopped before it was renamed"
            findings.warning(path, what, name, "`--repair` renames it", "part")
        elif self._stale:
            what = "the recording was interrupted in this scan"
            todo = "start the engine with the same settings: it resumes"
            findings.warning(path, what, "a complete scan", todo)
        else:
            what = "the recording ended in this scan: it has slices, but no maps"
            findings.warning(path, what, "a complete scan", "nothing: its slices can be read")

    def _missed(
        self, cell: Cell, told: Told | None, concluded: list[int], numbers: set[int]
    ) -> None:
        """Scans that were there, and are in no file."""
        if self._growing:
            return
        for number in sorted(set(concluded) - numbers):
            what = f"scan {number} was finished, but no readable file contains it"
            self._findings.error(cell.path, what, "its file")
        for name, file in told.slices if told is not None else ():
            if name == cell.name and not any(cell.path.glob(f"{file}*")):
                self._findings.error(cell.path / file, "missing", "the slices of the journal")


def totals(findings: Findings) -> dict[str, int]:
    """How much was looked at, and how many findings of each kind there are."""
    kinds: tuple[Severity, ...] = ("error", "warning", "note")
    return dict(findings.checked) | {f"{kind}s": findings.count(kind) for kind in kinds}


class Report(TypedDict):
    """For `--json`."""

    experiment: str
    findings: list[dict[str, str]]
    repaired: list[str]
    totals: dict[str, int]


def as_table(findings: Findings, repaired: list[str]) -> Report:
    """For `--json`."""
    return {
        "experiment": findings.folder.resolve().name,
        "findings": [
            {
                "severity": finding.severity,
                "file": name_in(findings.folder, finding.path),
                "what": finding.what,
                "expected": finding.expected,
                "todo": finding.todo,
            }
            for finding in findings.found
        ],
        "repaired": repaired,
        "totals": totals(findings),
    }


def as_lines(findings: Findings) -> list[str]:
    """One line a finding, and one of totals."""
    told = dict.fromkeys(("scans", "slices", "maps", "readings", "lines"), 0) | totals(findings)
    counted = ", ".join(f"{count} {what}" for what, count in told.items())
    return [f.line(findings.folder) for f in findings.found] + [f"checked: {counted}"]
