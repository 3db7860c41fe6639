"""The button that requests an extra scan, or accepts a suggested one."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from monitor.gui.actions import key_of, keys_of, with_keys
from monitor.gui.widgets.controls import quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.plain_text import typed

CONFIRM_MS, WRITING_MS = 3000, 20_000


class ExtraScan(QWidget):
    """Two presses request a scan, so that none is requested by mistake; one press declines.
    `wanted` carries the reason, `answered` the id of the suggestion and whether it was accepted."""

    wanted = Signal(str)
    answered = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self._suggested = ""
        self._disarm = QTimer(self, singleShot=True, interval=CONFIRM_MS)
        self._disarm.timeout.connect(lambda: self._arm(False))
        self.button = QPushButton("Extra scan")
        self.button.setObjectName("extra")
        self.button.clicked.connect(self.press)
        self.decline = QPushButton("Decline")
        set_tip(self.decline, with_keys("The suggested scan is not needed", "decline"))
        self.decline.clicked.connect(self.press_decline)
        self.decline.hide()
        self.why = QLineEdit()
        self.why.setPlaceholderText(f"Why? Enter to request, {key_of('dismiss')} to cancel")
        set_tip(self.why, "Recorded in the events and sent to the acquisition with the request")
        self.why.setMaxLength(200)
        self.why.textEdited.connect(lambda _: self._disarm.start(WRITING_MS))
        self.why.returnPressed.connect(self.press)
        self.why.hide()
        quiet(self.button, self.decline)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.decline)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(buttons)
        column.addWidget(self.why)

    def enable(self, problem: str) -> None:
        """Enables the button, or shows why no scan can be requested (`problem`)."""
        self.button.setEnabled(not problem)
        self.decline.setEnabled(not problem)
        set_tip(self.button, problem or f"Request a scan now ({keys_of('extra_scan')}, then Enter)")

    def suggest(self, suggested: str) -> None:
        """Sets the suggestion that the button accepts (its id; "": none), and shows a button that
        declines it."""
        if suggested != self._suggested:
            self._suggested = suggested
            self.leave()
            self._arm(False)
        self.decline.setVisible(bool(suggested))

    def press(self) -> None:
        """The first press asks for confirmation; a second one within 3 s requests the scan."""
        if not self.button.isEnabled():
            return
        if not self.button.property("armed"):
            self._arm(True)
            self._disarm.start(CONFIRM_MS)
            # what is typed next is the reason, not keys of the window
            self.why.setFocus(Qt.FocusReason.ShortcutFocusReason)
            return
        why = typed(self.why.text())
        self.leave()
        if self._suggested:
            self.answered.emit(self._suggested, True)
        else:
            self.wanted.emit(why)

    def press_decline(self) -> None:
        """Declines the suggestion, if there is one."""
        if self._suggested:
            self.answered.emit(self._suggested, False)

    def leave(self) -> bool:
        """Takes back the first press; returns whether there was one."""
        armed = bool(self.button.property("armed"))
        if armed:
            self._disarm.stop()
            self._arm(False)
        return armed

    def _arm(self, armed: bool) -> None:
        self.button.setProperty("armed", armed)
        idle, asking = (
            "Accept suggested scan",
            f"Confirm suggested scan: {key_of('extra_scan')}",
        )
        if not self._suggested:
            idle, asking = ("Extra scan", "Confirm extra scan: Enter")
        self.button.setText(asking if armed else idle)
        self.button.style().unpolish(self.button)
        self.button.style().polish(self.button)
        if not armed:
            self.why.clear()
            # else the cursor would continue into another line
            self.why.clearFocus()
        self.why.setVisible(armed and not self._suggested)
