"""Whether the engine requests extra scans by itself, and how many it may request."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from monitor.gui.actions import key_of, keys_of
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.records.state import Policy
from monitor.wire.results.queries import MAX_SCANS_PER_CELL

MODES = {
    "off": "Never requests scans by itself; decisions are still recorded",
    "suggest": f"Suggests extra scans; an operator accepts ({key_of('extra_scan')}) or declines "
    f"({key_of('decline')}) them",
    "auto": "Requests extra scans by itself, within the budget",
}


class PolicyControls(QWidget):
    """Draws the policy of a cell; `chosen` carries the mode and the largest number of extra
    scans."""

    chosen = Signal(str, int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self._drawn: Policy | None = None
        self.mode = QComboBox()
        for index, (mode, tip) in enumerate(MODES.items()):
            self.mode.addItem(mode)
            self.mode.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.mode.activated.connect(lambda i: self.choose(tuple(MODES)[i]))
        self.budget = QSpinBox()
        self.budget.setRange(0, MAX_SCANS_PER_CELL)
        self.budget.setKeyboardTracking(False)
        self.budget.valueChanged.connect(lambda _: self.choose(self.mode.currentText()))
        self.spent = label("", "muted")
        self.spent.setWordWrap(True)
        quiet(self.mode)
        row = QHBoxLayout()
        row.addWidget(label("Policy", "muted", "Whether the engine requests scans by itself"))
        row.addWidget(self.mode, 1)
        row.addWidget(label("at most", "muted", "Extra scans of this cell, in total"))
        row.addWidget(self.budget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.spent)

    def restyle(self) -> None:
        """Applies the sizes of the current look."""
        self.budget.setFixedWidth(theme.px(72))

    def enable(self, problem: str) -> None:
        """Enables the controls, or shows why the policy cannot be changed (`problem`)."""
        modes = keys_of(*(f"policy_{mode}" for mode in MODES))
        budget = keys_of("budget_more", "budget_less")
        for widget, tip in (
            (self.mode, f"off, suggest or auto ({modes})"),
            (self.budget, f"Maximum number of extra scans of this cell: mouse wheel ({budget})"),
        ):
            widget.setEnabled(not problem)
            set_tip(widget, problem or tip)

    def choose(self, mode: str) -> None:
        """Switches the policy of the shown cell."""
        if self.mode.isEnabled():
            self.chosen.emit(mode, self.budget.value())

    def draw(self, policy: Policy) -> None:
        """Shows the policy of the cell, and how much of its budget is used."""
        if self._drawn == policy:
            return
        self._drawn = policy
        self.mode.setCurrentText(policy.get("mode", "off"))
        self.budget.blockSignals(True)
        self.budget.setValue(int(policy.get("max_scans") or 0))
        self.budget.blockSignals(False)
        text = spent_text(policy)
        self.spent.setText(text)
        self.spent.setVisible(bool(text))


def spent_text(policy: Policy) -> str:
    """Number of extra scans used and allowed, and why no more can be requested now."""
    spent, most = policy.get("extra_scans"), policy.get("max_scans")
    # of an engine that does not tell them apart, all that was asked for counts as spent
    waiting = int(policy.get("unanswered") or 0)
    parts = [] if spent is None else [f"{spent - waiting} of {most} extra scans used"]
    if waiting:
        parts.append(f"{waiting} requested and not answered yet; no more until they are")
    if policy.get("refusal") and spent is not None and not waiting:
        parts.append(f"no more now: {policy['refusal']}")
    return "; ".join(parts)
