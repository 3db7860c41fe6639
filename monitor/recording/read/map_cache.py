"""Maps of a recording that were asked for lately, within bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from monitor.recording.read.experiment import Scan
from monitor.records import frozen

MapName = tuple[str, int, str]


class MapCache:
    """Reads maps from the files, and keeps those asked for last. May be asked by any thread."""

    def __init__(self, files: Mapping[str, Mapping[int, Scan]], most_bytes: float) -> None:
        """`files`: by cell and scan number."""
        self._files = files
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[MapName, NDArray[Any]] = OrderedDict()
        self.nbytes = 0

    def get(self, cell: str, number: int, name: str) -> NDArray[Any] | None:
        """(ny, nx), read-only; None if there is none. Raises RecordingError."""
        key = (cell, number, name)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        scan = self._files.get(cell, {}).get(number)
        found = None if scan is None or scan.partial else scan.map(name)
        if found is not None:
            self._keep(key, frozen(found))
        return found

    def _keep(self, key: MapName, found: NDArray[Any]) -> None:
        with self._lock:
            if key in self._kept or found.nbytes > self._most:
                return
            self._kept[key] = found
            self.nbytes += found.nbytes
            while self.nbytes > self._most:
                _, oldest = self._kept.popitem(last=False)
                self.nbytes -= oldest.nbytes
