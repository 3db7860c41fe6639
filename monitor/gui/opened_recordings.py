"""Opens recordings beside the live engine, and reports on them: each in a process of its own."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QProcess, Signal

from monitor.processes import free_addresses
from monitor.program import command

STOP_MS = 3000
MAX_OPEN = 3


class Recordings(QObject):
    """Starts and ends the processes. `failed` carries an error in one line; `reported` the folder
    that a report was written into."""

    failed = Signal(str)
    reported = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[Path, tuple[QProcess, str, str]] = {}

    def open(self, folder: Path) -> tuple[str, str]:
        """Pull and status address at which the recording will be served."""
        folder = folder.resolve()
        known = self._open.get(folder)
        if known is not None and known[0].state() != QProcess.ProcessState.NotRunning:
            return known[1:]
        while len(self._open) >= MAX_OPEN:
            # the one that was opened longest ago; asked for again, it is served again
            oldest, _, _ = self._open.pop(next(iter(self._open)))
            oldest.finished.disconnect()
            oldest.finished.connect(oldest.deleteLater)
            oldest.terminate()
        pull, status = free_addresses(2)
        process = QProcess(self)
        process.finished.connect(lambda code, _: self._ended(folder, code))
        self._open[folder] = (process, pull, status)
        arguments = ["open", str(folder), "--headless", "--pull", pull, "--status", status]
        program, *rest = command(*arguments)
        process.start(program, rest)
        return pull, status

    def report(self, folder: Path) -> None:
        """Writes table and figures of a recorded experiment."""
        out = folder / "report"
        process = QProcess(self)

        def end(code: int) -> None:
            process.deleteLater()
            if code:
                self.failed.emit(_said(process) or f"{folder}: the report ended with code {code}")
            else:
                self.reported.emit(str(out))

        process.finished.connect(lambda code, _: end(code))
        program, *rest = command("report", str(folder), "--out", str(out))
        process.start(program, rest)

    def close(self) -> None:
        """Ends all started processes."""
        for process, _, _ in self._open.values():
            process.finished.disconnect()
            process.terminate()
        for process, _, _ in self._open.values():
            if not process.waitForFinished(STOP_MS):
                process.kill()
                process.waitForFinished(STOP_MS)
        self._open.clear()

    def _ended(self, folder: Path, code: int) -> None:
        process, _, _ = self._open.pop(folder)
        process.deleteLater()
        if code:
            self.failed.emit(_said(process) or f"{folder}: it ended with code {code}")


def _said(process: QProcess) -> str:
    """The last line of its errors."""
    said = bytes(process.readAllStandardError().data()).decode("utf-8", "replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
