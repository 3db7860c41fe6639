"""Which lost slices of one scan are requested now, how often, and when they are given up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.arrival.missing_slices import Lacking

MAX_TRIES = 6
FIRST_PAUSE_S = 0.25
SETTLE_S = 0.2
TAIL_S, TAIL_QUIETS = 5.0, 5.0

Indices = NDArray[np.int64]


def pause_s(tries: Any) -> Any:
    """Pause (s) before the next request, after this many unsuccessful ones."""
    return FIRST_PAUSE_S * 2.0 ** (tries - 1.0)


class RetrySchedule:
    """Lost slices of one scan. `now` is always the time of a monotonic clock, s."""

    def __init__(self, lacking: Lacking, quiet_s: float, now: float) -> None:
        """`quiet_s`: silence (s) after which a missing slice can no longer be merely out of
        order."""
        self._quiet_s = quiet_s
        self._lacking = lacking
        self._tries = np.zeros(int(lacking.all[-1]) + 1, np.uint8)
        self._due = np.zeros(len(self._tries))
        self._asked = np.zeros(len(self._tries), np.bool_)
        self._heard_at = self._moved_at = now
        self._everything = False

    @property
    def is_over(self) -> bool:
        """Whether no more slices of the scan arrive without a request."""
        return self._lacking.over

    def look(self, lacking: Lacking, now: float) -> None:
        """Updates the state of the scan."""
        before, self._lacking = self._lacking, lacking
        if lacking.heard != before.heard:
            self._heard_at = self._moved_at = now
        elif len(lacking.all) != len(before.all):
            self._moved_at = now
        tail_s = max(TAIL_S, TAIL_QUIETS * self._quiet_s)
        everything = now - self._heard_at > (SETTLE_S if lacking.over else tail_s)
        if everything != self._everything or lacking.over != before.over:
            self._tries[:] = 0  # what could not be had before may be there now
        self._everything = everything

    def wanted(self, most: int, now: float) -> tuple[int, ...]:
        """The slices to request now, at most `most`: while the scan runs, those that are certainly
        lost; after a silence also those that may have been out of order, and after a long silence
        those that may not have been sent; after the end of the scan, all that are missing."""
        lacking = self._lacking
        silent = now - self._heard_at > self._quiet_s
        frames = lacking.passed if silent else lacking.lost
        frames = lacking.all if self._everything else frames
        ready = (self._tries[frames] < MAX_TRIES) & (self._due[frames] <= now)
        return tuple(frames[ready & ~self._asked[frames]][:most].tolist())

    def asked(self, frames: tuple[int, ...]) -> None:
        """These slices have been requested."""
        self._asked[list(frames)] = True

    def answered(self, frames: tuple[int, ...], unknown: tuple[int, ...], now: float) -> None:
        """The answer about these slices has ended, or is no longer waited for. `unknown`: those
        that the service does not have, which is final after the end of the scan."""
        asked = np.asarray(frames, np.int64)
        self._asked[asked] = False
        failed = np.intersect1d(asked, self._lacking.all, assume_unique=True)
        self._tries[failed] = np.minimum(self._tries[failed] + 1, MAX_TRIES)
        self._due[failed] = now + pause_s(self._tries[failed])
        if self._lacking.over:
            self._tries[np.intersect1d(failed, np.asarray(unknown, np.int64))] = MAX_TRIES

    def give_up(self) -> None:
        """Gives up: there is no service to request from."""
        self._tries[:] = MAX_TRIES

    def lacks(self, frames: tuple[int, ...]) -> bool:
        """Whether any of these has not arrived yet."""
        return bool(np.isin(frames, self._lacking.all).any())

    def is_hopeless(self, now: float) -> bool:
        """Whether the missing slices are given up: the scan has ended, no service has them, and
        nothing has arrived for a while."""
        left = self._lacking.all
        return (
            self._lacking.over
            and self._everything
            and now - self._moved_at > self._quiet_s
            and not self._asked[left].any()
            and bool((self._tries[left] >= MAX_TRIES).all())
        )
