"""Controls of the relief: hills or pits, stretch of z, direction of the light."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSlider, QWidget

from monitor.gui.views.relief.shading import Look
from monitor.gui.widgets.controls import label, quiet
from monitor.gui.widgets.plain_text import set_tip

STRETCHES = (1, 2, 5, 10, 20)
FORMS = (
    (True, "Hills", "Pits as hills: removal upwards, as in Figure 6 of the paper"),
    (False, "Pits", "Pits as depressions: height upwards"),
)
LIGHTS = {"flat": 315, "solid": 225}
"""Initial azimuth: seen from above, light from the upper left is read rightly; in 3-D it has to
come from where one looks from."""


class ReliefControls(QWidget):
    """A line of controls; emits when the look has changed. Each page has its own azimuth."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.look = Look()
        self._page = "flat"
        self._azimuths = dict(LIGHTS)
        self.setObjectName("controls")
        self.setStyleSheet(
            "#controls, #controls QSlider, #controls QLabel {background: transparent}"
        )
        self.form, self.stretch = QComboBox(), QComboBox()
        for i, (hills, text, tip) in enumerate(FORMS):
            self.form.addItem(text, hills)
            self.form.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        set_tip(self.form, "What points upwards: removal (hills) or height (pits)")
        self.form.activated.connect(lambda i: self.set_look(hills=FORMS[i][0]))
        for times in STRETCHES:
            self.stretch.addItem(f"z ×{times}", times)
        set_tip(self.stretch, "Stretch of z relative to x and y")
        self.stretch.activated.connect(lambda i: self.set_look(times=STRETCHES[i]))
        self.azimuth = _slider(0, 355, "Azimuth of the light, ° clockwise from +y")
        self.azimuth.valueChanged.connect(lambda value: self.set_look(azimuth=value))
        self.altitude = _slider(10, 85, "Altitude of the light above the map, °")
        self.altitude.valueChanged.connect(lambda value: self.set_look(altitude=value))
        self._lay_out()
        self._show_look()

    def _lay_out(self) -> None:
        quiet(self.form, self.stretch, self.azimuth, self.altitude)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.form, self.stretch, label("Light", "muted", "Direction of the light")):
            row.addWidget(widget)
        row.addWidget(self.azimuth, 2)
        row.addWidget(self.altitude, 1)

    def use_page(self, page: str) -> None:
        """The page that is looked at: "flat" or "solid"."""
        if page != self._page:
            self._page = page
            self.look = replace(self.look, azimuth=self._azimuths[page])
            self._show_look()

    def set_look(self, **changes: Any) -> None:
        """Changes the look: `hills`, `times`, `azimuth`, `altitude`."""
        look = replace(self.look, **changes)
        if look != self.look:
            self.look = look
            self._azimuths[self._page] = look.azimuth
            self._show_look()
            self.changed.emit()

    def _show_look(self) -> None:
        self.form.setCurrentIndex([hills for hills, _, _ in FORMS].index(self.look.hills))
        self.stretch.setCurrentIndex(STRETCHES.index(self.look.times))
        for slider, value in (
            (self.azimuth, self.look.azimuth),
            (self.altitude, self.look.altitude),
        ):
            blocked = slider.blockSignals(True)
            slider.setValue(value)
            slider.blockSignals(blocked)


def _slider(low: int, high: int, tip: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setSingleStep(5)
    slider.setPageStep(45)
    slider.setMinimumWidth(48)
    set_tip(slider, tip)
    return slider
