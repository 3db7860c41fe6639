"""Resumes a recording that was interrupted: what had not reached the disk is written now."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

from monitor.recording import format
from monitor.recording.read import experiment
from monitor.recording.resume import interrupted
from monitor.recording.write.cell_files import CellFiles
from monitor.recording.write.experiment import PREVIEWS, ExperimentWriter, Message, attempt
from monitor.records import CyclerDocument, Event, ScanEnd, ScanResult, ScanStart, SliceFrame
from monitor.settings import Settings


class ResumedWriter(ExperimentWriter):
    """Takes the messages of the journal with `take_again`, all of them, and then new ones."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """The folder has been repaired (`interrupted.mend`). Raises OSError."""
        super().__init__(settings, folder)
        self._journal.go_on(interrupted.count_lines(folder / format.JOURNAL_FILE))
        self._last_event = interrupted.last_event(folder)
        for cell in self._cells.values():
            cell.rewrite_from = -math.inf  # the journal has all readings
            cell.channel_values.rewrite()

    def take_again(self, message: Message) -> list[OSError]:
        """A message that the journal has. What had not reached the disk of it, and of what followed
        from it, is written now."""
        errors: list[OSError] = []
        record = message.record
        if isinstance(record, ScanStart | SliceFrame | ScanEnd):
            attempt(errors, lambda: self._slice_again(record))
        elif isinstance(record, CyclerDocument):
            self._read(record)
        for output in message.outputs:
            match output:
                case ScanResult() if not output.provisional and not self._is_whole(output):
                    self._conclude(output, errors)
                case ScanResult() if not output.provisional:
                    self._keep_whole(output)
                case Event() if output.kind not in PREVIEWS and output.number > self._last_event:
                    attempt(errors, lambda event=output: self._event(asdict(event), event.cell))
        return errors

    def _slice_again(self, record: ScanStart | SliceFrame | ScanEnd) -> None:
        """The file of a scan that was being written is written again; finished ones stay."""
        if isinstance(record, ScanStart):
            cell = self._cells.get(record.key.cell)
            if cell is None or cell.has_ended(record.key):
                return
            number = record.key.scan
            while self._taken(cell, number, record):
                number += 1
            path = cell.folder / format.scan_name(number)
            if not path.exists():
                self._start(record)
                cell.begin(record.key)
            cell.comes_in(record)
        elif isinstance(record, SliceFrame):
            scan = self._running(record)
            if scan is not None and scan.fits(record):
                scan.add(record)

    @staticmethod
    def _taken(cell: CellFiles, number: int, start: ScanStart) -> bool:
        """Whether the file of this number is that of another run's scan."""
        path = cell.folder / format.scan_name(number)
        return path.exists() and experiment.Scan(path).header["run"] != start.key.run

    def _is_whole(self, result: ScanResult) -> bool:
        cell = self._cells[result.key.cell]
        return result.key not in cell.open and not cell.has_ended(result.key)

    def _keep_whole(self, result: ScanResult) -> None:
        """A finished scan that is on the disk."""
        cell, number = self._cells[result.key.cell], result.key.scan
        while self._taken(cell, number, result.start):
            number += 1
        cell.done[result.key] = format.scan_name(number)
        cell.master_due = True  # the one there is may be of fewer scans
        self.scans_written += 1
