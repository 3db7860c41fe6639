"""What a card of the board says about its cell. Pure functions, no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.closure import Closure
from monitor.gui.formatting import clock, duration, number, summary_text, with_unit
from monitor.gui.state.health import Tone, cell_health, next_scan, scan_text
from monitor.gui.state.snapshot import Answer, Snapshot, is_judged, measure
from monitor.gui.wording.charge import band_of, mark_tip, marked
from monitor.gui.wording.map_captions import map_title
from monitor.gui.wording.map_values import unit_of
from monitor.quantities.table import READINGS, SCALARS
from monitor.wire.results.cells import Alarm, Cell, Reading, Scan
from monitor.wire.results.events import StatusEvent
from monitor.wire.results.state import HealthState

NEWS = ("alarm", "pit_onset")
NOISE_SPAN = 20.0
ROWS = 7
"""Numbers of a card."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of a card: `tip` is its definition and unit."""

    title: str
    value: str
    tip: str
    tone: Tone = "text"


@dataclass(frozen=True, slots=True)
class CellFacts:
    """All texts of a card. `progress`: number of received slices and of all slices; None if no scan
    runs. `news`: the newest alarm or onset."""

    name: str
    state: HealthState
    age: str
    why: str
    progress: tuple[int, int] | None
    scanning: str
    due: str
    due_tone: Tone
    rows: tuple[Fact, ...]
    news: str
    news_tone: Tone


def cell_facts(snapshot: Snapshot, name: str) -> CellFacts:
    """The texts of the card of this cell; a dash for data that have never arrived."""
    health = cell_health(snapshot, name)
    cell = snapshot.cell(name) or {}
    running = snapshot.running(name)
    due = next_scan(snapshot, name)
    news, news_tone = _news(snapshot, cell, name)
    return CellFacts(
        name=name,
        state=health.state,
        age="" if health.age_s is None else duration(health.age_s),
        why=health.why,
        progress=(running["received"], running["slices"]) if running else None,
        scanning=scan_text(snapshot, name),
        due=f"next scan {due.text}",
        due_tone=due.tone,
        rows=_rows(snapshot, cell),
        news=news,
        news_tone=news_tone,
    )


def map_words(
    answer: Answer | None, has_scans: bool, ended: str = "", running: int | None = None
) -> tuple[str, str]:
    """The text below the small map (its name, and the levels of its colours), and the text in its
    place if there is none. `ended`: why no scan is expected any more; `running`: the scan that is
    being received."""
    if answer is not None and answer.error:
        return "", answer.error
    if answer is None or answer.array is None:
        absent = f"no scan: {ended}" if ended else "waiting for the first scan"
        if running is not None:
            absent = f"waiting for the first map of scan {running}"
        return "", "fetching the map" if has_scans else absent
    header = answer.header
    title, scan = map_title(header["name"]), header["scan"]
    if answer.levels is None:
        return "", f"no {title} is measurable in scan {scan}"
    low, high = answer.levels
    unit = unit_of(header)
    digits = 2 if "mA" in unit else 1
    return f"{title} {number(low, digits)} … {number(high, digits)} {unit}", ""


def clear_of_noise(answer: Answer, cell: Cell | None) -> Answer:
    """A map of lengths with colours over at least twenty times the noise of its scan: a flat
    surface looks flat."""
    scans = cell["scans"] if cell else ()
    scan = next((s for s in scans if s["scan"] == answer.header.get("scan")), None)
    noise = measure(scan, "noise") if scan and not unit_of(answer.header).startswith("mA") else None
    if answer.levels is None or noise is None:
        return answer
    middle, least = sum(answer.levels) / 2, NOISE_SPAN * noise
    low, high = answer.levels
    if high - low >= least:
        return answer
    return replace(answer, levels=(middle - least / 2, middle + least / 2))


def _rows(snapshot: Snapshot, cell: Cell) -> tuple[Fact, ...]:
    scan = _newest_final(cell.get("scans", ()))
    of = f"From scan {scan['scan']}, the newest complete one" if scan else "From the newest scan"
    reading = cell.get("cycler") or Reading()
    mark = mark_tip(cell, scan)
    low, high = band_of(snapshot)
    found = Closure.of(scan)
    outside = found is not None and found.verdict((low, high)) == "outside"

    def of_scan(name: str, more: str = "", tone: Tone = "text") -> Fact:
        quantity = SCALARS[name]
        value, tip = summary_text(quantity, scan), f"{quantity.help}{more}\n{of}"
        if quantity.rests_on_charge:
            value, tip = marked(scan, value), tip + mark
        return Fact(quantity.title, value, tip, tone)

    return (
        of_scan("soc"),
        of_scan("step"),
        *(
            Fact(one.title, with_unit(one, reading.get(one.name), ""), f"{one.help} Now.")
            for one in (READINGS["potential_V"], READINGS["current_mA"])
        ),
        of_scan("pit_count"),
        of_scan("pit_depth_max"),
        of_scan(
            "closure",
            f" Coloured if outside {low:g} to {high:g} by more than two standard errors, like "
            "the alarm (watch.closure_band).",
            "warn" if outside else "text",
        ),
    )


def _newest_final(scans: Sequence[Scan]) -> Scan:
    return next((scan for scan in reversed(scans) if is_judged(scan)), Scan())


def _news(snapshot: Snapshot, cell: Cell, name: str) -> tuple[str, Tone]:
    """The newest alarm that waits to be visible, or else the newest event that is an alarm or an
    onset."""
    waiting, now = cell.get("alarms") or (), cell.get("time")
    if waiting:
        newest = max(waiting, key=lambda alarm: alarm.get("number") or 0)
        more = f"{len(waiting)} alarms, newest: " if len(waiting) > 1 else ""
        over = all(alarm.get("ended") for alarm in waiting)
        return more + _told(newest, now) + (" (ended)" if newest.get("ended") else ""), (
            "warn" if over else "bad"
        )
    told = (event for event in reversed(snapshot.events) if event.get("cell") == name)
    last = next((event for event in told if event.get("type") in NEWS), None)
    if last is None:
        return "", "muted"
    if last["type"] == "pit_onset":
        return f"pit onset, {_told(last, now)}", "warn"
    # it does not wait any more: someone has seen it
    return _told(last, now), "muted" if "alarms" in cell else "bad"


def _told(event: StatusEvent | Alarm, now: float | None) -> str:
    """When, in which scan and what; the date if it is not the one of `now`."""
    at = f"{clock(event['time'], now)} " if event.get("time") else ""
    scan = event.get("scan")
    text = str(event.get("text") or event.get("why") or "")
    where = "" if scan is None or text.startswith(f"scan {scan} ") else f"scan {scan}: "
    return f"{at}{where}{text}"
