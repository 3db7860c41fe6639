"""What channels did in the time in which scans became worse, as a sentence: a coincidence, which
says nothing of the cause. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.core.channels.steps import Step, silent_since, step_between

DAY_S = 86_400.0
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Samples:
    """Values of a channel: its name, title and unit, `times` (n,) rising, UTC s, and `values`
    (n,)."""

    name: str
    title: str
    unit: str
    times: Sequence[float] = ()
    values: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Coincidence:
    """A channel that changed, or stopped arriving, at `time`, UTC s. `step`: None if it stopped."""

    name: str
    title: str
    unit: str
    time: float
    step: Step | None


def coincidences(channels: Iterable[Samples], since: float, until: float) -> list[Coincidence]:
    """What changed after `since` and up to `until`, UTC s, in the order of time. A channel without
    a value, or of which too little is known, says nothing."""
    found: list[Coincidence] = []
    for one in channels:
        step = step_between(one.times, one.values, since, until)
        if step is not None:
            found.append(Coincidence(one.name, one.title, one.unit, step.time, step))
        silent = silent_since(one.times, until)
        if silent is not None:
            found.append(Coincidence(one.name, one.title, one.unit, silent, None))
    return sorted(found, key=lambda one: one.time)


def sentence(found: Sequence[Coincidence], scan: int, until: float) -> str:
    """The coincidences in words, "" if there are none. `scan`: the last one without the fault;
    `until`: end of the scan in question, UTC s."""
    if not found:
        return ""
    parts = [_words(one, until) for one in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        parts.append(f"{len(found) - MOST_NAMED} more channels changed")
    return (
        f"Since scan {scan}, which was not affected: {'; '.join(parts)}. This is a coincidence in "
        "time, not necessarily the cause"
    )


def as_facts(one: Coincidence) -> dict[str, str | float | None]:
    """A coincidence as an event has it, JSON-ready; levels are None if the channel stopped."""
    return {
        "channel": one.name,
        "unit": one.unit,
        "time": one.time,
        "before": one.step.before if one.step else None,
        "after": one.step.after if one.step else None,
    }


def _words(one: Coincidence, until: float) -> str:
    at = datetime.fromtimestamp(one.time, UTC).strftime(
        "%H:%M UTC" if until - one.time < DAY_S / 2 else "%Y-%m-%d %H:%M UTC"
    )
    if one.step is None:
        return f"{one.title} has had no value since {at}"
    before, after = f"{one.step.before:.4g}", f"{one.step.after:.4g}"
    verb = "fell" if one.step.after < one.step.before else "rose"
    return f"{one.title} {verb} at {at} ({before} → {after}{f' {one.unit}' if one.unit else ''})"
