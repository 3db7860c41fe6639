"""What is known of a volume while its files are being written."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.sources.folder.files import Stat
from monitor.sources.volumes.voxel_size import Size

Times = tuple[float, float]
Say = Callable[[str, int, int], None]
"""Called with what is done or wrong; slices sent so far and in all, 0 if it is about neither."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A volume as far as it is in its files now.

    `plane` is (ny, nx) and `dtype` the type of the pixels in the file. `ready` are the indices
    along z, growing, of slices that are complete; `maybe` those behind them that are complete only
    if the writer has ended. `in_place`: all slices have their place in the file from the start, and
    hold `fill` until they are written; `written`: a slice of one value was written, as the format
    shows. `total` is the number of slices of the volume, None if nothing says it yet; `finished`:
    the writer has said that it has ended. `begins_at` is the number in the name of the first file.
    `times` are those of the acquisition, UTC s. `first_ns` is when the first file changed,
    `newest_ns` the newest. `notes` are for the operator.
    """

    plane: tuple[int, int]
    dtype: np.dtype[Any]
    ready: Sequence[int]
    first_file: Path
    first_ns: int
    newest_ns: int
    maybe: Sequence[int] = ()
    total: int | None = None
    finished: bool = False
    in_place: bool = False
    written: bool = False
    fill: float = 0.0
    begins_at: int = 0
    voxel_size_um: Size | None = None
    times: Times | None = None
    notes: tuple[str, ...] = ()

    def blank(self, plane: NDArray[Any]) -> bool:
        """Whether every pixel is 0 or `fill`: padding, or not written yet."""
        first = plane.flat[0]
        if first != first:  # NaN, if that is what the format fills with
            return bool(self.fill != self.fill and np.isnan(plane).all())
        return bool(first in (0, self.fill) and (plane == first).all())


def acquisition(begin: str, end: str) -> Times | None:
    """From nabu's texts, ISO 8601; UTC if they name no zone. None if the begin is not a time, and
    the begin in place of an end that is not."""
    start, stop = _instant(begin), _instant(end)
    return None if start is None else (start, start if stop is None else max(start, stop))


def _instant(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


class Growing(Protocol):
    """The files of one volume. `name` is unique among those that are watched; `sources` are other
    files that are part of it; `lacking` says what kept the newest slice from being complete, "" if
    that is not known."""

    name: str
    sources: set[Path]
    lacking: str

    def glance(self) -> Hashable:
        """Changes whenever `progress` may; costs little."""
        ...

    def files(self) -> Mapping[Path, Stat | None]:
        """Those that hold its slices, in an order that stays, and what each was like when its
        slices were found to be complete; None if that is not known, as in a file that grows."""
        ...

    def begin_again(self, after_ns: int) -> None:
        """Files that did not change after `after_ns` belong to an earlier volume of this name."""
        ...

    def progress(self) -> Progress | None:
        """None if nothing of it can be used yet. Raises SourceError if it is not a volume."""
        ...

    def planes(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        """The planes (ny, nx) of these slices, in the type of the file. Raises SourceError."""
        ...
