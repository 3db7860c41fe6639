"""Values of channels: other scalars of the documents, beside the readings of a cycler."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChannelValue:
    """One value of the channel `name` of a cell ("": of all cells), in `unit` ("": not known).
    `time`: UTC s. Values of `since` and later, UTC s, that were reported before are replaced."""

    cell: str
    name: str
    time: float
    value: float
    unit: str = ""
    since: float | None = None

    @property
    def replaces_from(self) -> float:
        """Values from this time on, UTC s, that were reported before are replaced."""
        return self.time if self.since is None else min(self.since, self.time)
