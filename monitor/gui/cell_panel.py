"""One cell and the scan that is shown of it, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout

from monitor.gui.model import Choice, Snapshot, measure, shown_scan
from monitor.gui.parts import Card, label, quiet
from monitor.gui.text import clock, number, with_error

FACTS = (
    ("soc", "SOC", "State of charge, by the charge since the reference and the cell's capacity"),
    ("charge", "Charge", "Net charge stripped since the reference scan, per area"),
    ("pits", "Pits", "Significant pits in this scan; their density in brackets"),
    ("deepest", "Deepest", "Greatest depth of a pit below the plateau"),
    ("averaged", "Averaged", "Mean removal over all valid pixels"),
    ("complete", "Complete", "Removal of the plateau, not taking into account the pits"),
    ("closure", "Closure", "Averaged ÷ Faraday thickness: 1 where everything agrees"),
    (
        "ahead",
        "Ahead",
        "Deepest pit below the first surface at the next scan, by the growth so far "
        "(nine in ten end between the numbers in brackets)",
    ),
    ("collector", "Through", "When a pit reaches the collector if the current stays (nine in ten)"),
    ("moss", "Moss", "Mean thickness of the porous deposit, and its porosity by grey level"),
    ("moved", "Moved", "Of the cell since the reference, in x, y and z; the maps are put back"),
    ("noise", "Noise", "Median standard error of a height"),
    ("valid", "Valid", "Share of the map where the height is measurable"),
)


class CellPanel(Card):
    """Draws the numbers of the shown scan; tells which cell to show."""

    cell_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__("Cell", "The cell and the scan that all views show")
        self._names: list[str] = []
        self.cells = QComboBox()
        self.cells.setToolTip("The cell that all views show (keys 1 to 9; B: all of them)")
        self.cells.textActivated.connect(self.cell_chosen)
        quiet(self.cells)
        self.head.addWidget(self.cells, 1)
        self.shown, self.when = label("–", "big"), label("", "muted")
        for part in (self.shown, self.when):
            self.body.addWidget(part)
        self.facts = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 2, 0, 0)
        grid.setVerticalSpacing(2)
        for i, (key, title, tip) in enumerate(FACTS):
            self.facts[key] = label("–", "", tip)
            grid.addWidget(label(title, "muted", tip), i, 0)
            self.facts[key].setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(self.facts[key], i, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self.body.addStretch(1)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell that was chosen."""
        names = list(snapshot.state["cells"]) if snapshot.state else []
        if names != self._names:
            self._names = names
            self.cells.clear()
            self.cells.addItems(names)
        self.cells.setCurrentText(choice.cell)
        cell = snapshot.cell(choice.cell)
        shown = shown_scan(cell, choice)
        self._draw_scan(cell, shown)
        self._draw_facts(shown)

    def _draw_scan(self, cell: Mapping[str, Any] | None, shown: Mapping[str, Any] | None) -> None:
        if cell is None or shown is None:
            self.shown.setText("No scan yet")
            self.when.setText("")
            return
        scans = cell["scans"]
        self.shown.setText(f"Scan {shown['scan']} <small>of {scans[-1]['scan']}</small>")
        hours = (shown["start_time"] - scans[0]["start_time"]) / 3600
        self.when.setText(f"{shown['reason']} · {hours:.2f} h · {clock(shown['start_time'])} UTC")

    def _draw_facts(self, scan: Mapping[str, Any] | None) -> None:
        scan = scan or {}
        unit = scan.get("length_unit", "")
        soc, valid, density = (scan.get(k) for k in ("soc", "valid_fraction", "pit_density_mm2"))
        pits = scan.get("pit_count")
        self._fact("soc", number(soc and 100 * soc, 0, "%"))
        self._fact("charge", number(scan.get("charge_mAh_cm2"), 2, "mAh/cm²"))
        many = f" ({density:.0f} mm⁻²)" if density else ""
        self._fact("pits", "–" if pits is None else f"{pits}{many}")
        self._fact("deepest", number(measure(scan, "pit_depth_max"), 1, unit))
        for key in ("averaged", "complete"):
            value = measure(scan, key)
            text = with_error(value, measure(scan, f"{key}_error"))
            self._fact(key, "–" if value is None else f"{text} {unit}")
        self._fact("closure", number(scan.get("closure"), 2))
        self._fact("ahead", _ahead_text(scan))
        self._fact("collector", _collector_text(scan))
        self._fact("moss", _moss_text(scan, unit))
        self._fact("moved", _moved_text(scan, unit))
        self._fact("noise", number(measure(scan, "noise"), 2, unit))
        self._fact("valid", number(valid and 100 * valid, 1, "%"))

    def _fact(self, key: str, text: str) -> None:
        self.facts[key].setText(text)


def _ahead_text(scan: Mapping[str, Any]) -> str:
    names = ("forecast_depth_um", "forecast_low_um", "forecast_high_um")
    middle, low, high = (scan.get(name) for name in names)
    if middle is None or low is None or high is None:
        return "–"
    return f"{middle:.1f} ({low:.1f}–{high:.1f}) µm"


def _collector_text(scan: Mapping[str, Any]) -> str:
    """Hours, in brackets from when to when; what is beyond the forecast's reach stays open."""
    low, middle, high = (scan.get(f"collector{part}_h") for part in ("_low", "", "_high"))
    if scan.get("forecast_depth_um") is None:
        return "–"
    if low is None:
        return "not within 200 h"
    middle_text = "" if middle is None else f"{middle:.0f} "
    high_text = "…" if high is None else f"{high:.0f}"
    return f"in {middle_text}({low:.0f}–{high_text}) h"


def _moss_text(scan: Mapping[str, Any], unit: str) -> str:
    thickness, porosity = measure(scan, "moss"), scan.get("moss_porosity")
    if thickness is None or porosity is None:
        return "–"
    return f"{thickness:.1f} {unit}, {100 * porosity:.0f} % pores"


def _moved_text(scan: Mapping[str, Any], unit: str) -> str:
    if not scan.get("registered"):
        return "not known" if scan else "–"
    shifts = (measure(scan, f"shift_{axis}") for axis in "xyz")
    return ", ".join("–" if s is None else f"{s:+.1f}" for s in shifts) + f" {unit}"
