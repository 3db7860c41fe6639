"""Errors of the program itself, whole, in the folder of the recording that they happened beside."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import traceback
from pathlib import Path

from monitor.plain_text import visible, visible_lines
from monitor.recording import format
from monitor.recording.file_descriptors import when_free

MAX_BYTES = 2**20
"""The file is then put aside as `errors.log.1`, of which there is one."""
MAX_ENTRY_BYTES = 2**16
MAX_KNOWN = 1000


class ErrorLog:
    """Appends tracebacks. May be used from any thread, and never raises."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / format.ERRORS_FILE
        self._lock = threading.Lock()
        self._known: set[bytes] = set()

    def write(self, where: str, error: BaseException) -> bool:
        """Appends an error; one that is there already, as of each message, is not repeated. False
        if the disk does not take it."""
        told = visible_lines("".join(traceback.format_exception(error)))
        # what an error quotes must not pass for the beginning of another one
        text = re.sub("(?m)^--- ", " --- ", told).encode()
        if len(text) > MAX_ENTRY_BYTES:
            half = MAX_ENTRY_BYTES // 2
            text = text[:half] + b"\n[...]\n" + text[-half:]
        digest = hashlib.sha256(where.encode() + text).digest()
        with self._lock:
            if digest in self._known:
                return True
            now = format.iso_time(time.time())
            try:
                self._append(f"--- {now} {where}\n".encode() + text + b"\n")
            except OSError:
                return False
            if len(self._known) < MAX_KNOWN:
                self._known.add(digest)
        return True

    def _append(self, entry: bytes) -> None:
        if self.path.exists() and self.path.stat().st_size + len(entry) > MAX_BYTES:
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        with when_free(lambda: self.path.open("ab")) as file:
            file.write(entry)


def in_one_line(error: BaseException) -> str:
    """Kind and text of an error, for a message."""
    text = visible(" ".join(str(error).split()))
    name = type(error).__name__
    return f"{name}: {text[:200]}" if text else name
