"""What `verify` found in a recording, and how far it looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from monitor.errors import RecordingError
from monitor.plain_text import visible
from monitor.recording.read.checked_hdf5 import UNREADABLE, one_line

Severity = Literal["error", "warning", "note"]
Mend = Literal["", "line", "readings", "channels", "master", "lock", "part"]
"""What `repair` can do about it."""
RESTORE = "restore it from a copy of the recording, or exclude it from your analysis"
MAX_FINDINGS_OF_FILE = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be (or is worth knowing: a note). `path`: the file."""

    severity: Severity
    path: Path
    what: str
    expected: str
    todo: str
    mend: Mend = ""

    def line(self, folder: Path) -> str:
        """In one line, the file as it is called within the recording."""
        name = name_in(folder, self.path)
        expected = f", expected {self.expected}" if self.expected else ""
        line = f"{self.severity}: {name}: {self.what}{expected}; {self.todo}"
        return visible(" ".join(line.split()))


@dataclass
class Findings:
    """Findings in the order in which the files were looked at; `checked` counts what was."""

    folder: Path
    found: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    _of_file: Counter[Path] = field(default_factory=Counter)

    def error(
        self, path: Path, what: str, expected: str = "", todo: str = RESTORE, mend: Mend = ""
    ) -> None:
        """Something is wrong."""
        self._add(Finding("error", path, what, expected, todo, mend))

    def warning(
        self, path: Path, what: str, expected: str, todo: str, mend: Mend = ""
    ) -> None:  # fmt: skip
        """Nothing recorded is wrong, but something lacks or is left over."""
        self._add(Finding("warning", path, what, expected, todo, mend))

    def note(self, path: Path, what: str, todo: str) -> None:
        """Worth knowing."""
        self._add(Finding("note", path, what, "", todo))

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.found)

    def is_sound(self, *paths: Path) -> bool:
        """Whether no error was found in these files."""
        return not any(f.severity == "error" and f.path in paths for f in self.found)

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """What cannot be read while this runs is one more finding."""
        try:
            yield
        except RecordingError as error:
            self.error(path, str(error).removeprefix(f"{path}: "), "a readable file")
        except UNREADABLE as error:
            self.error(path, f"is damaged ({one_line(error)})", "a readable file")

    def _add(self, finding: Finding) -> None:
        self._of_file[finding.path] += 1
        if self._of_file[finding.path] < MAX_FINDINGS_OF_FILE:
            self.found.append(finding)
        elif self._of_file[finding.path] == MAX_FINDINGS_OF_FILE:
            more = Finding("error", finding.path, "has more faults", "", "not listed")
            self.found.append(more)


def name_in(folder: Path, path: Path) -> str:
    """A file's name within the recording, every character of it to be visible."""
    return visible(path.relative_to(folder) if path.is_relative_to(folder) else path)
