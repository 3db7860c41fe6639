"""One cell and its shown scan, with the numbers of the scan."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QGridLayout

from monitor.closure import Closure
from monitor.gui.actions import CELLS, key_of
from monitor.gui.formatting import (
    as_is,
    duration,
    number,
    percent,
    stamp,
    summary_text,
)
from monitor.gui.state.health import MARKS, TIPS, cell_health
from monitor.gui.state.snapshot import Choice, Snapshot, measure, shown_scan
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View
from monitor.gui.wording.charge import (
    band_of,
    closure_text,
    closure_tip,
    mark_tip,
    marked,
    shift_text,
)
from monitor.gui.wording.since import HOUR_S, changes_since
from monitor.plain_text import visible
from monitor.quantities.table import SCALARS
from monitor.wire.results.cells import Cell, Scan

FACTS = {
    name: tuple(SCALARS[part] for part in parts)
    for name, *parts in (
        ("soc", "soc"),
        ("charge", "charge_mAh_cm2"),
        ("pits", "pit_count", "pit_density_mm2"),
        ("in_pits", "pit_volume_share"),
        ("deepest", "pit_depth_max"),
        ("ahead", "forecast_depth"),
        ("collector", "collector_h"),
        ("averaged", "averaged"),
        ("complete", "complete"),
        ("coulometry", "coulometry"),
        ("closure", "closure"),
        ("moss", "moss", "moss_porosity"),
        ("moved", "shift_x", "shift_y", "shift_z", "shift_error"),
        ("noise", "noise"),
        ("valid", "valid_fraction"),
    )
}
"""Rows of the panel and the quantities in each; the first one is its title."""
PLAIN = ("soc", "charge", "in_pits", "averaged", "complete", "coulometry", "noise", "valid")
"""Rows that are one number."""
MORE = {
    "deepest": "In brackets: below the first surface (the plateau's own removal added), as in the "
    "forecast.",
}


SINCE = {
    "hour": ("Last hour", "Pits, depth of the deepest one and alarms: newest scan against the one "
             "an hour before"),
    "looked": ("Since you looked", "The same since this window was last in front, or since "
               f"{key_of('seen')} was pressed"),
}  # fmt: skip


def fact_tip(name: str) -> str:
    """Explains the numbers of a row."""
    first, *others = FACTS[name]
    lines = [first.help, *(f"{one.title}: {one.help}" for one in others)]
    return "\n".join([*lines, *([MORE[name]] if name in MORE else [])])


class CellPanel(View):
    """Draws the numbers of the shown scan; emits which cell to show."""

    def __init__(self) -> None:
        super().__init__("Cell", "The cell and the scan that all views show")
        self._names: list[str] = []
        self.cells = QComboBox()
        keys = f"keys {key_of('cell_1')} to {key_of(f'cell_{CELLS}')}"
        set_tip(
            self.cells,
            f"The cell that all views show ({keys}; {key_of('board')}: all of them)",
        )
        self.cells.activated.connect(lambda i: self.cell_chosen.emit(self.cells.itemData(i)))
        quiet(self.cells)
        self.head.addWidget(self.cells, 1)
        self.state = label("", "", TIPS["cell"], rich=True)
        self.head.addWidget(self.state)
        self.shown, self.when = label("–", "big", rich=True), label("", "muted")
        set_tip(self.when, "Start of the scan: hours after the first one, date and time")
        for part in (self.shown, self.when):
            self.body.addWidget(part)
        self.facts, self.titles = {}, {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 2, 0, 0)
        grid.setVerticalSpacing(0)
        for i, (key, (first, *_)) in enumerate(FACTS.items()):
            tip = fact_tip(key)
            self.facts[key] = label("–", "", tip, rich=key == "closure")
            title = "Shift" if key == "moved" else first.title
            self.titles[key] = label(title, "muted", tip)
            grid.addWidget(self.titles[key], i, 0)
            self.facts[key].setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(self.facts[key], i, 1)
        for row, (key, (title, tip)) in enumerate(SINCE.items(), start=len(FACTS)):
            self.titles[key], self.facts[key] = label(title, "muted", tip), label("–", "", tip)
            self.facts[key].setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(self.titles[key], row, 0)
            grid.addWidget(self.facts[key], row, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self.body.addStretch(1)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell that was chosen."""
        names = list(snapshot.cells)
        if names != self._names:
            self._names = names
            self.cells.clear()
            for name in names:
                self.cells.addItem(visible(name), name)
        self.cells.setCurrentIndex(self.cells.findData(choice.cell))
        cell = snapshot.cell(choice.cell)
        shown = shown_scan(cell, choice)
        self._draw_state(snapshot, choice.cell)
        self._draw_scan(cell, shown)
        self._draw_facts(snapshot, cell, shown or {})
        now = cell.get("time") if cell else None
        hour = None if now is None else now - HOUR_S
        for key, since in (("hour", hour), ("looked", choice.looked.get(choice.cell))):
            self.facts[key].setText(changes_since(snapshot, choice.cell, since))
        for part in (self.titles["looked"], self.facts["looked"]):
            part.setVisible(choice.cell in choice.looked)

    def _draw_state(self, snapshot: Snapshot, name: str) -> None:
        """State of the cell, in the words and the colour of its card."""
        health = cell_health(snapshot, name)
        age = "" if health.age_s is None else f" {duration(health.age_s)}"
        colour = theme.state_colour(health.state)
        mark = MARKS[health.state]
        self.state.setText(f"<span style='color:{colour}'>{mark} {health.state}{age}</span>")
        set_tip(self.state, f"{health.why}\n\n{TIPS['cell']}")

    def _draw_scan(self, cell: Cell | None, shown: Scan | None) -> None:
        if cell is None or shown is None:
            running = (cell or {}).get("running")
            self.shown.setText("No scan yet" if cell is not None else "–")
            self.when.setText(f"Receiving slices of scan {running['scan']}" if running else "")
            return
        scans = cell["scans"]
        of = f"of {scans[-1]['scan']} · {shown['reason']}"
        self.shown.setText(f"Scan {as_is(shown['scan'])} <small>{as_is(of)}</small>")
        hours = (shown["start_time"] - scans[0]["start_time"]) / 3600
        self.when.setText(f"{number(hours, 2)} h · {stamp(shown['start_time'])} UTC")

    def _draw_facts(self, snapshot: Snapshot, cell: Cell | None, scan: Scan) -> None:
        unit = str(scan.get("length_unit") or "")
        texts = {
            **{name: summary_text(FACTS[name][0], scan) for name in PLAIN},
            "pits": _pits_text(scan),
            "deepest": deepest_text(scan, unit),
            "ahead": _ahead_text(scan),
            "collector": _collector_text(scan),
            "moss": _moss_text(scan, unit),
            "moved": shift_text(scan, unit),
        }
        for key, text in texts.items():
            of_charge = FACTS[key][0].rests_on_charge
            self.facts[key].setText(marked(scan, text) if of_charge else text)
            set_tip(self.facts[key], fact_tip(key) + (mark_tip(cell, scan) if of_charge else ""))
        for part in (self.titles["moss"], self.facts["moss"]):
            part.setVisible(texts["moss"] != "–")  # there is none before a charge
        self._draw_closure(snapshot, cell, scan)

    def _draw_closure(self, snapshot: Snapshot, cell: Cell | None, scan: Scan) -> None:
        """Closure with its error; in the colour of a warning if it is out of the alarm's band."""
        band, found = band_of(snapshot), Closure.of(scan)
        text = as_is(closure_text(scan, band))
        outside = found is not None and found.verdict(band) == "outside"
        if outside:
            text = f"<span style='color:{theme.palette().warn}'>{text}</span>"
        self.facts["closure"].setText(text)
        set_tip(self.facts["closure"], closure_tip(snapshot, cell, scan))


def deepest_text(scan: Scan, unit: str) -> str:
    """The deepest pit below the plateau, and in brackets below the first surface."""
    depth, plateau = measure(scan, "pit_depth_max"), measure(scan, "complete")
    text = number(depth, 1, unit)
    if depth is None or plateau is None:
        return text
    return f"{number(depth)} ({number(plateau + depth)}) {unit}"


def _pits_text(scan: Scan) -> str:
    count, density = (summary_text(one, scan) for one in FACTS["pits"])
    return f"{count} ({density})" if scan.get("pit_density_mm2") else count


def _ahead_text(scan: Scan) -> str:
    middle = scan.get("forecast_depth_um")
    low, high = scan.get("forecast_low_um"), scan.get("forecast_high_um")
    if middle is None or low is None or high is None:
        return "–"
    return f"{number(middle)} ({number(low)}–{number(high)}) µm"


def _collector_text(scan: Scan) -> str:
    """Hours, in brackets from when to when; what is beyond the forecast's reach stays open."""
    middle = scan.get("collector_h")
    low, high = scan.get("collector_low_h"), scan.get("collector_high_h")
    if scan.get("forecast_depth_um") is None:
        return "–"
    if low is None:
        return "not within 200 h"
    middle_text = "" if middle is None else f"{middle:.0f} "
    high_text = "…" if high is None else f"{high:.0f}"
    return f"in {middle_text}({low:.0f}–{high_text}) h"


def _moss_text(scan: Scan, unit: str) -> str:
    thickness, porosity = measure(scan, "moss"), scan.get("moss_porosity")
    if thickness is None or porosity is None:
        return "–"
    return f"{number(thickness)} {unit}, {percent(porosity)} pores"
