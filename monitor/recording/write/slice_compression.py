"""Whether a scan's slices are compressed: as the settings say, or by what its first ones save.

Bitshuffle and LZ4 take a second of a core for each gigabyte. That pays where slices use few of
their bits, and saves next to nothing where noise fills them.
"""

from __future__ import annotations

from monitor.settings.experiment import CompressSlices

TRIAL_SLICES = 8
LEAST_SAVING = 0.25


class SliceCompression:
    """The decision for one scan. The same slices in the same order give the same one."""

    def __init__(self, setting: CompressSlices = "auto") -> None:
        self._setting = setting
        self._slices = self._bytes = self._stored = 0

    @property
    def on(self) -> bool:
        """Whether the next slice is to be compressed."""
        if self._setting != "auto" or self._slices < TRIAL_SLICES:
            return self._setting != "off"
        return (self.saving or 0.0) >= LEAST_SAVING

    @property
    def saving(self) -> float | None:
        """Share of their bytes that the first slices did not need; None before they were
        compressed."""
        return 1 - self._stored / self._bytes if self._bytes else None

    def note(self, size: int, stored: int) -> None:
        """A slice of `size` bytes was compressed to `stored`."""
        if self._slices < TRIAL_SLICES:
            self._slices += 1
            self._bytes += size
            self._stored += stored
