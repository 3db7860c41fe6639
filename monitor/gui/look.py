"""Look of the screen (dark or light, text size), as the user set it last."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication

from monitor.gui.actions import Handlers
from monitor.gui.widgets import theme
from monitor.gui.widgets.palette import Shade


class Look(QObject):
    """Changes the look of the whole program; `changed` is emitted when everything has to be drawn
    again."""

    changed = Signal()

    def __init__(self, kept: QSettings | None) -> None:
        super().__init__()
        self._kept = kept

    def handlers(self) -> Handlers:
        """Its functions, by the names of actions."""
        return {
            "shade": self.toggle_shade,
            "larger": lambda: self.scale_text(1),
            "smaller": lambda: self.scale_text(-1),
        }

    def toggle_shade(self) -> None:
        """Dark or light."""
        self._apply("light" if theme.shade() == "dark" else "dark", theme.scale())

    def scale_text(self, by: int) -> None:
        """Larger or smaller text."""
        at = min(range(len(theme.SCALES)), key=lambda i: abs(theme.SCALES[i] - theme.scale()))
        self._apply(theme.shade(), theme.SCALES[min(max(at + by, 0), len(theme.SCALES) - 1)])

    def _apply(self, shade: Shade, scale: float) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, shade, scale)
        if self._kept is not None:
            self._kept.setValue("shade", shade)
            self._kept.setValue("letters", scale)
        self.changed.emit()


def kept_look(kept: QSettings) -> tuple[Shade, float]:
    """Shade and text size, as the user set them last."""
    shade: Shade = "light" if kept.value("shade") == "light" else "dark"
    try:
        scale = float(str(kept.value("letters", 1.0)))
    except ValueError:
        scale = 1.0
    return shade, min(max(scale, theme.SCALES[0]), theme.SCALES[-1])
