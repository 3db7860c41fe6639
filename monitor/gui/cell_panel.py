"""One cell: which scan is shown, the scan that runs, the next one, requests, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from monitor.gui import theme
from monitor.gui.feeds import time_left
from monitor.gui.model import Choice, Snapshot, measure, shown_scan
from monitor.gui.parts import Card, label, quiet
from monitor.gui.text import clock, duration, number, with_error

CONFIRM_MS = 3000
FATES = {
    "suggested": theme.WARN,
    "sent": theme.WARN,
    "accepted": theme.ACCENT,
    "running": theme.ACCENT,
    "scanning": theme.ACCENT,
    "done": theme.GOOD,
    "refused": theme.BAD,
    "failed": theme.BAD,
    "lost": theme.BAD,
    "closed": theme.MUTED,
}
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


class CellPanel(QWidget):
    """Draws one cell's state; tells which cell and scan to show, and who wants an extra scan."""

    cell_chosen = Signal(str)
    scan_chosen = Signal(int)
    live_chosen = Signal()
    extra_scan = Signal(str)
    suggestion_answered = Signal(str, str, bool)

    def __init__(self) -> None:
        super().__init__()
        self._choice = Choice()
        self._scans: list[int] = []
        self._drawn: dict[str, Any] = {}
        self._suggested = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self._scan_card())
        column.addWidget(self._acquisition_card())
        column.addWidget(self._facts_card())
        column.addWidget(self._lists_card(), 1)
        self._disarm = QTimer(self, singleShot=True, interval=CONFIRM_MS)
        self._disarm.timeout.connect(lambda: self._arm(False))

    def _scan_card(self) -> Card:
        card = Card("Cell", "The cell and the scan that all views show")
        self.cells = QComboBox()
        self.cells.setToolTip("The cell that all views show (keys 1 to 9)")
        self.cells.textActivated.connect(self.cell_chosen)
        card.head.addWidget(self.cells, 1)
        self.shown = label("–", "big")
        self.when = label("", "muted")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Scan to show (keys ← and →)")
        self.slider.valueChanged.connect(self._slid)
        self.before, self.after, self.live = QToolButton(), QToolButton(), QPushButton("Live")
        self.before.setText("◀")
        self.after.setText("▶")
        self.before.setToolTip("Scan before (key ←)")
        self.after.setToolTip("Scan after (key →)")
        self.before.clicked.connect(lambda: self.step(-1))
        self.after.clicked.connect(lambda: self.step(1))
        self.live.setCheckable(True)
        self.live.setToolTip("Follow the newest scan that has the chosen map (key L)")
        self.live.clicked.connect(lambda: self.live_chosen.emit())
        row = QHBoxLayout()
        for widget in (self.before, self.slider, self.after, self.live):
            row.addWidget(widget)
        quiet(self.cells, self.slider, self.before, self.after, self.live)
        for part in (self.shown, self.when):
            card.body.addWidget(part)
        card.body.addLayout(row)
        return card

    def _acquisition_card(self) -> Card:
        card = Card("Acquisition", "The scan that runs and the next one, in the cell's own time")
        self.progress = QProgressBar()
        self.progress.setToolTip("Slices of the running scan that have come")
        self.next = label(
            "–", "", "Start of the last scan on schedule plus the period, in cell time"
        )
        self.extra = QPushButton("Extra scan")
        self.extra.setObjectName("extra")
        self.extra.setToolTip("Ask the acquisition for a scan now (key E, twice)")
        self.extra.clicked.connect(self.press_extra)
        self.decline = QPushButton("Decline")
        self.decline.setToolTip("The suggested scan is not needed (key D)")
        self.decline.clicked.connect(lambda: self._answer(False))
        self.decline.hide()
        self.fate = label("", "muted")
        self.fate.setWordWrap(True)
        quiet(self.extra, self.decline)
        buttons = QHBoxLayout()
        buttons.addWidget(self.extra, 1)
        buttons.addWidget(self.decline)
        for part in (self.progress, self.next):
            card.body.addWidget(part)
        card.body.addLayout(buttons)
        card.body.addWidget(self.fate)
        return card

    def _facts_card(self) -> Card:
        card = Card("This scan", "Numbers of the scan that is shown")
        grid = QGridLayout()
        grid.setVerticalSpacing(2)
        self.facts = {}
        for i, (key, title, tip) in enumerate(FACTS):
            self.facts[key] = label("–", "", tip)
            grid.addWidget(label(title, "muted", tip), i, 0)
            self.facts[key].setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(self.facts[key], i, 1)
        grid.setColumnStretch(1, 1)
        card.body.addLayout(grid)
        return card

    def _lists_card(self) -> Card:
        card = Card("Requests", "Extra scans that were asked for, and what became of them")
        self.requests = QListWidget()
        self.requests.setWordWrap(True)
        self.requests.setMinimumHeight(48)
        quiet(self.requests)
        card.body.addWidget(self.requests, 1)
        return card

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the cell that was chosen."""
        self._choice = choice
        cell = snapshot.cell(choice.cell)
        self._draw_cells(list(snapshot.state["cells"]) if snapshot.state else [], choice)
        self._draw_scans(cell, choice)
        self._draw_facts(shown_scan(cell, choice))
        self._draw_acquisition(cell, snapshot)
        self._draw_requests(cell)

    def step(self, by: int) -> None:
        """Chooses the scan before or after the one that is shown."""
        at = self.slider.value() + by
        if 0 <= at < len(self._scans):
            self.scan_chosen.emit(self._scans[at])

    def press_extra(self) -> None:
        """The first press asks to confirm, the second within 3 s asks for the scan."""
        if not self.extra.isEnabled():
            return
        if self.extra.property("armed"):
            self._disarm.stop()
            self._arm(False)
            if self._suggested:
                self._answer(True)
            else:
                self.extra_scan.emit(self._choice.cell)
        else:
            self._arm(True)
            self._disarm.start()

    def press_decline(self) -> None:
        """Declines what is suggested, where something is."""
        if self._suggested:
            self._answer(False)

    def _answer(self, accepted: bool) -> None:
        self.suggestion_answered.emit(self._choice.cell, self._suggested, accepted)

    def _arm(self, armed: bool) -> None:
        self.extra.setProperty("armed", armed)
        idle, asking = ("Take suggested scan", "Confirm suggested scan")
        if not self._suggested:
            idle, asking = ("Extra scan", "Confirm extra scan")
        self.extra.setText(asking if armed else idle)
        self.extra.style().unpolish(self.extra)
        self.extra.style().polish(self.extra)

    def _slid(self, at: int) -> None:
        if at < len(self._scans):
            self.scan_chosen.emit(self._scans[at])

    def _new(self, name: str, value: Any) -> bool:
        """True where this part of the panel has to be drawn again."""
        if name in self._drawn and self._drawn[name] == value:
            return False
        self._drawn[name] = value
        return True

    def _draw_cells(self, names: list[str], choice: Choice) -> None:
        if self._new("cells", names):
            self.cells.clear()
            self.cells.addItems(names)
        self.cells.setCurrentText(choice.cell)

    def _draw_scans(self, cell: Mapping[str, Any] | None, choice: Choice) -> None:
        scans = cell["scans"] if cell else []
        self._scans = [scan["scan"] for scan in scans]
        shown = shown_scan(cell, choice)
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(scans) - 1))
        if shown is not None:
            self.slider.setValue(self._scans.index(shown["scan"]))
        self.slider.blockSignals(False)
        self.slider.setEnabled(len(scans) > 1)
        self.live.setChecked(choice.scan is None)
        if shown is None:
            self.shown.setText("No scan yet")
            self.when.setText("")
            return
        self.shown.setText(f"Scan {shown['scan']} <small>of {self._scans[-1]}</small>")
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

    def _draw_acquisition(self, cell: Mapping[str, Any] | None, snapshot: Snapshot) -> None:
        running = cell.get("running") if cell else None
        total = running["slices"] if running else 1
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(running["received"] if running else 0)
        text = f"Scan {running['scan']}: %v of %m slices" if running else "No scan is running"
        self.progress.setFormat(text)
        self.next.setText(_next_text(cell))
        alone = snapshot.state is not None and snapshot.state["settings"].get("requests") == "none"
        self.extra.setEnabled(snapshot.linked and not alone)
        self._draw_suggestion(cell)
        orders = [order for order in snapshot.orders if order.cell == self._choice.cell]
        text = ""
        if alone:
            text = "No acquisition is connected: extra scans cannot be asked for"
        elif orders:
            last = orders[-1]
            word = {"asking": "asking the engine", "sent": "handed to the engine"}
            text = f"Extra scan: {word.get(last.status, last.status)}"
            text += f" – {last.why}" if last.why else ""
        self.fate.setText(text)
        self.fate.setVisible(bool(text))

    def _draw_suggestion(self, cell: Mapping[str, Any] | None) -> None:
        """The button takes what is suggested; beside it stands one that declines."""
        waiting = [r for r in cell["requests"] if r["status"] == "suggested"] if cell else []
        suggested = waiting[-1]["id"] if waiting else ""
        if suggested != self._suggested:
            self._suggested = suggested
            self._disarm.stop()
            self._arm(False)
        self.decline.setVisible(bool(suggested))

    def _draw_requests(self, cell: Mapping[str, Any] | None) -> None:
        requests: Sequence[Mapping[str, Any]] = cell["requests"] if cell else ()
        if not self._new("requests", requests):
            return
        self.requests.clear()
        for request in reversed(requests):
            text = f"{request['reason'].replace('_', ' ')} after scan {request['after_scan']}"
            text += f": {request['status']}" + (f", {request['why']}" if request["why"] else "")
            if request["scan"] is not None:
                text += f" → scan {request['scan']}"
            item = QListWidgetItem(text)
            item.setForeground(QColor(FATES.get(request["status"], theme.TEXT)))
            item.setToolTip(f"{text}\nid {request['id']}")
            self.requests.addItem(item)


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


def _next_text(cell: Mapping[str, Any] | None) -> str:
    if not cell or cell.get("next_scan_time") is None:
        return "Next scan: not known before the first"
    left = time_left(cell)
    at = clock(cell["next_scan_time"])
    if left is None:
        return f"Next scan due {at} UTC"
    if left < 0:
        return f"<span style='color:{theme.WARN}'>Next scan overdue by {duration(left)}</span>"
    return f"Next scan in <b>{duration(left)}</b>, {at}"
