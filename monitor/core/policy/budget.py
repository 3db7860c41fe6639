"""What extra scans may still cost: scans and dose, for each cell and hour."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.settings import OnsetSettings

HOUR_S = 3600.0


class Budget:
    """Counts what one cell has been given. Times are UTC s of the data."""

    def __init__(self, limits: OnsetSettings) -> None:
        self._limits = limits
        self._extra: dict[str, float] = {}
        self._unanswered: set[str] = set()
        self._scans: list[float] = []

    def limit(self, limits: OnsetSettings) -> None:
        """Other limits from now on; what has been spent stays."""
        self._limits = limits

    def ask(self, request: str, time: float) -> None:
        """An extra scan is asked for. Nothing is spent before somebody answers, but room is kept
        for it: the request may still be received."""
        if request not in self._extra:
            self._extra[request] = time
            self._unanswered.add(request)

    def spend(self, request: str, time: float) -> None:
        """An extra scan has been taken up by the acquisition, or made; one that was made unasked
        goes by a name of its own."""
        self._extra.setdefault(request, time)
        self._unanswered.discard(request)

    def refund(self, request: str) -> None:
        """It was refused or failed before any scan was made."""
        self._extra.pop(request, None)
        self._unanswered.discard(request)

    def exposed(self, time: float) -> None:
        """A scan, of whatever kind, was made."""
        self._scans.append(time)

    @property
    def extra_scans(self) -> int:
        """Extra scans so far, those on their way included."""
        return len(self._extra)

    @property
    def spent(self) -> int:
        """Extra scans that were made, or that the acquisition has taken up."""
        return len(self._extra) - len(self._unanswered)

    @property
    def dose_kGy(self) -> float:
        """Dose of all scans so far."""
        return len(self._scans) * self._limits.dose_per_scan_kGy

    def refusal(self, time: float, waiting: int) -> str:
        """Why no further scan may be asked for at `time`; "" if one may. `waiting`: asked for
        already, and not made yet."""
        limits = self._limits
        lately = sum(t > time - HOUR_S for t in self._extra.values())
        if lately >= limits.max_scans_per_hour:
            return f"{lately} extra scans within an hour, {limits.max_scans_per_hour} allowed"
        if self.extra_scans >= limits.max_scans_per_cell:
            return f"{self.extra_scans} extra scans of this cell, no more allowed"
        dose = limits.dose_per_scan_kGy
        total = (len(self._scans) + waiting + 1) * dose
        if limits.max_dose_kGy and total > limits.max_dose_kGy:
            return f"{total:.3g} kGy with one more scan, {limits.max_dose_kGy:.3g} allowed"
        hourly = (sum(t > time - HOUR_S for t in self._scans) + waiting + 1) * dose
        if limits.max_dose_kGy_per_hour and hourly > limits.max_dose_kGy_per_hour:
            allowed = limits.max_dose_kGy_per_hour
            return f"{hourly:.3g} kGy in an hour with one more scan, {allowed:.3g} allowed"
        return ""


def is_quiet(time: float, spans: tuple[str, ...]) -> bool:
    """True where `time` (UTC s) lies in one of the daily spans "HH:MM-HH:MM", UTC."""
    now = datetime.fromtimestamp(time, UTC)
    minute = 60 * now.hour + now.minute
    for span in spans:
        begin, end = (60 * int(t[:2]) + int(t[3:]) for t in span.split("-"))
        if begin <= minute < end if begin <= end else (minute >= begin or minute < end):
            return True
    return False
