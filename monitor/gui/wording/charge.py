"""Numbers of a scan that depend on charge: whether they are final, and what closure depends on."""

from __future__ import annotations

from monitor.closure import Closure
from monitor.gui.formatting import clock, number, signed
from monitor.gui.state.snapshot import Snapshot, measure
from monitor.quantities.table import SCALARS
from monitor.wire.results.cells import Cell, Charged, Scan

APPROXIMATELY = "≈ "
CLOSURE_BAND = (0.85, 1.15)
"""Band of an engine that does not report its own."""
STATES = {
    "preliminary": "preliminary: {readings}, before this scan; corrected when readings cover it",
    "extrapolated": "preliminary: the current is extrapolated; {readings}, before this scan",
    "interpolated": "approximate: interpolated between readings before and after this scan "
    "that are further apart than hold_current_s",
    "none": "not known: no reading of the cycler covers this scan",
    "unknown": "not known: readings of the cycler begin only after this scan",
}
"""Text for each `charge_state` of a scan that is not final."""


def is_final(scan: Charged) -> bool:
    """Whether readings cover the scan; older recordings do not state it, and are final."""
    return scan.get("charge_state") not in STATES


def marked(scan: Charged, text: str) -> str:
    """A number that depends on charge, with a mark if it is preliminary."""
    return text if is_final(scan) or text == "–" else APPROXIMATELY + text


def why_preliminary(cell: Cell | None, scan: Charged) -> str:
    """Why the numbers of a scan that depend on charge are preliminary; "" if they are final."""
    if is_final(scan):
        return ""
    last = cell.get("cycler") if cell else None
    readings = "there are no readings yet"
    if last is not None:
        readings = f"readings end at {clock(last['time'], scan.get('start_time'))} UTC"
    return STATES[str(scan["charge_state"])].format(readings=readings)


def mark_tip(cell: Cell | None, scan: Scan) -> str:
    """The same as lines to add to a tooltip."""
    why = why_preliminary(cell, scan)
    return f"\n≈ {why}" if why else ""


def band_of(snapshot: Snapshot) -> tuple[float, float]:
    """The band of closure outside which the engine raises its alarm."""
    low, high = snapshot.told.get("settings", {}).get("closure_band") or CLOSURE_BAND
    return float(low), float(high)


def closure_text(scan: Scan, band: tuple[float, float]) -> str:
    """Closure with its standard error, and in brackets the band of the alarm."""
    found = Closure.of(scan)
    if found is None:
        return marked(scan, number(scan.get("closure"), 2))
    text = f"{number(found.value, 2)} ± {number(max(found.error, 0.01), 2)}"
    return marked(scan, f"{text} ({band[0]:g}–{band[1]:g})")


def closure_tip(snapshot: Snapshot, cell: Cell | None, scan: Scan) -> str:
    """What closure is, when it raises an alarm, and what can be wrong, with the values in use."""
    low, high = band_of(snapshot)
    cell, unit = cell or {}, str(scan.get("length_unit", ""))
    found = Closure.of(scan)
    lines = [
        SCALARS["closure"].help,
        f"In brackets: alarm outside {low:g} to {high:g} by more than two standard errors, once "
        "1 µm has been stripped.",
    ]
    if found is not None:
        averaged = number(measure(scan, "averaged"), 2)
        lines.append(f"here: {averaged} µm ÷ {found.coulometry_um:.2f} µm")
    lines += ["", "If it is not 1, check what it was computed with:"]
    area = cell.get("area_cm2")
    lines.append(f"electrode area: {number(area, 4, 'cm²')}")
    watch = cell.get("watch")
    offset = watch.get("clock_offset_estimate_s") if watch else None
    clock_line = f"clock_offset_s of the cycler: {number(cell.get('clock_offset_s'), 1, 's')}"
    if offset is not None:
        clock_line += f"; its readings are at most {number(offset, 1, 's')} behind this engine"
    lines.append(clock_line)
    lines.append(f"shift from the reference: {shift_text(scan, unit)}")
    lines.append("or lithium that is no longer connected (dead lithium)")
    return "\n".join(lines) + mark_tip(cell, scan)


def shift_text(scan: Scan, unit: str) -> str:
    """Shift of the cell since the reference, in x, y and z."""
    if not scan.get("registered"):
        return "not known" if scan else "–"
    moved = [signed(measure(scan, f"shift_{axis}"), 1) for axis in "xyz"]
    error = measure(scan, "shift_error")
    return ", ".join(moved) + (f" ± {number(error, 1)}" if error is not None else "") + f" {unit}"
