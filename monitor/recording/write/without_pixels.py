"""Writes a recording of messages whose pixels are in another one, and are not written again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.recording.write.experiment import ExperimentWriter
from monitor.recording.write.scan_file import ScanFile
from monitor.records import ScanKey, SliceFrame
from monitor.settings import Settings


class WriterWithoutPixels(ExperimentWriter):
    """Takes slices for their place in ledger and journal; of their pixels, which are all alike, the
    first reports whether they are finite."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        checksums: Callable[[ScanKey], NDArray[np.uint32] | None],
    ) -> None:
        """`checksums`: (slices,) of a scan's slices as they are recorded; None: not known."""
        super().__init__(settings, folder)
        self._checksums = checksums
        self._known: tuple[ScanKey, NDArray[np.uint32] | None] | None = None

    def _is_finite(self, frame: SliceFrame) -> bool:
        pixels: NDArray[Any] = frame.data
        return not pixels.size or bool(np.isfinite(pixels.flat[0]))

    def _store(self, scan: ScanFile, frame: SliceFrame) -> None:
        key = scan.start.key
        if self._known is None or self._known[0] != key:
            self._known = key, self._checksums(key)
        crcs = self._known[1]
        scan.note(frame, 0 if crcs is None else int(crcs[frame.frame]))
