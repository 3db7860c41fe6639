"""The operator's name and the engine that is shown, over the window until it is dismissed."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QLineEdit, QPushButton, QWidget

from monitor.gui.actions import key_of, with_keys
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label
from monitor.gui.widgets.plain_text import set_tip
from monitor.plain_text import typed
from monitor.sockets.keys import is_address, is_local
from monitor.wire.results.queries import MAX_BY

MAX_KNOWN = 12


class SessionPanel(QFrame):
    """Emits which engine to connect to, and the operator's name."""

    connect_wanted = Signal(str)
    recording_wanted = Signal()
    name_changed = Signal(str)

    def __init__(self, parent: QWidget, address: str, name: str) -> None:
        super().__init__(parent)
        self._parent = parent
        self._first = address
        self.setObjectName("card")
        self.address = QComboBox()
        self.address.setEditable(True)
        self.address.addItem(address)
        set_tip(self.address, "Pull address of an engine (results.pull of its settings)")
        self.name = QLineEdit(name)
        self.name.setMaxLength(MAX_BY)
        set_tip(
            self.name, "Recorded with your requests, notes, policy changes and acknowledgements"
        )
        self.name.editingFinished.connect(lambda: self.name_changed.emit(typed(self.name.text())))
        self.go = QPushButton("Connect")
        self.go.clicked.connect(self._connect)
        self.address.lineEdit().returnPressed.connect(self._connect)  # type: ignore[union-attr]
        self.recording = QPushButton("Open recording…")
        tip = "Shows a recorded experiment in this window"
        set_tip(self.recording, with_keys(tip, "open_recording"))
        self.recording.clicked.connect(self.recording_wanted)
        self.problem = label("", "muted")
        grid = QGridLayout(self)
        grid.setContentsMargins(20, 14, 20, 14)
        grid.addWidget(
            label(
                f"Session &nbsp; <small>{key_of('dismiss')} to close</small>", "big", rich=True
            ),
            0, 0, 1, 3,
        )  # fmt: skip
        grid.addWidget(label("Operator", "muted"), 1, 0)
        grid.addWidget(self.name, 1, 1, 1, 2)
        grid.addWidget(label("Engine at", "muted"), 2, 0)
        grid.addWidget(self.address, 2, 1)
        grid.addWidget(self.go, 2, 2)
        grid.addWidget(self.recording, 3, 1, 1, 2)
        grid.addWidget(self.problem, 4, 0, 1, 3)
        grid.setColumnStretch(1, 1)
        self.hide()

    def toggle(self) -> None:
        """Shows or hides the panel; the views below it remain active."""
        self.setVisible(not self.isVisible())
        if self.isVisible():
            self.resize(min(theme.px(520), self._parent.width() - 40), self.sizeHint().height())
            self.move(self._parent.rect().center() - self.rect().center())
            self.raise_()
            self.address.setFocus()

    def know(self, address: str) -> None:
        """Remembers an address that was connected to, as the one in use."""
        found = self.address.findText(address)
        if found < 0:
            self.address.insertItem(0, address)
            found = 0
        self.address.setCurrentIndex(found)
        while self.address.count() > MAX_KNOWN:
            self.address.removeItem(self.address.count() - 1)

    def _connect(self) -> None:
        address = self.address.currentText().strip()
        if not is_address(address):
            self.problem.setText(
                f"“{address}” is not an address; enter one such as tcp://127.0.0.1:5611"
            )
            return
        if not is_local(address) and address != self._first:
            self.problem.setText(
                f"“{address}” is on another machine, where keys are needed; start a screen for it: "
                "pitwatch gui --connect ADDRESS --key FILE --server-key KEY"
            )
            return
        self.problem.setText("")
        self.hide()
        self.connect_wanted.emit(address)
