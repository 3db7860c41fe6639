"""Colours, fonts and colour scales of the screen; dark or light, small or large.

`apply` chooses a look for the whole program; whoever holds pens of its own draws them again in a
`restyle` method, which the window calls after each change of look.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPalette, QPen
from PySide6.QtWidgets import QApplication, QWidget

from monitor.gui.state.snapshot import COLOUR_SCALES
from monitor.gui.widgets.palette import PALETTES, Palette, Shade

SHADES: tuple[Shade, ...] = ("dark", "light")
SCALES = (0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
ICONS = Path(__file__).parent / "icons"
POINT_SIZE = 9.0
FAMILY = "DejaVu Sans"


_shade: Shade = "dark"
_scale = 1.0


def palette() -> Palette:
    """The colours of the look that was applied last."""
    return PALETTES[_shade]


def shade() -> Shade:
    """Which look was applied last."""
    return _shade


def scale() -> float:
    """How much larger than usual letters and fixed sizes are."""
    return _scale


def px(size: float) -> int:
    """A size in pixels that grows with the letters."""
    return round(size * _scale)


def state_colour(state: str) -> str:
    """Colour of LIVE, IDLE, LATE, DEAD or REPLAY."""
    colours = palette()
    known = {"LIVE": colours.good, "LATE": colours.warn, "DEAD": colours.bad}
    return known.get(state, colours.accent if state == "REPLAY" else colours.muted)


def style() -> str:
    """The style sheet of the look that was applied last."""
    c = palette()
    return f"""
* {{ font-size: {POINT_SIZE * _scale:.1f}pt; }}
QWidget {{ background: {c.back}; color: {c.text}; }}
QToolTip {{ background: {c.field}; color: {c.text}; border: 1px solid {c.line}; padding: 4px; }}
QFrame#card {{ background: {c.panel}; border: 1px solid {c.line}; border-radius: 5px; }}
QFrame#card QLabel, QFrame#card QCheckBox, QWidget#bar, QWidget#bar QLabel {{
    background: transparent; }}
QFrame#card[chosen="true"] {{ border: 2px solid {c.accent}; }}
QFrame#problem {{ background: {c.panel}; border: 1px solid {c.bad}; border-radius: 5px; }}
QFrame#problem QLabel {{ background: transparent; }}
QLabel#title {{ color: {c.muted}; font-weight: 600; }}
QLabel#big {{ font-size: {14 * _scale:.1f}pt; font-weight: 600; }}
QLabel#muted {{ color: {c.muted}; }}
QPushButton, QComboBox, QToolButton, QLineEdit, QSpinBox, QPlainTextEdit {{ background: {c.field};
    border: 1px solid {c.line}; border-radius: 4px; padding: {px(4)}px {px(8)}px; }}
QToolButton {{ padding: {px(3)}px {px(6)}px; }}
QSpinBox QLineEdit, QComboBox QLineEdit {{ border: none; padding: 0; background: transparent; }}
QPushButton:hover, QComboBox:hover, QToolButton:hover {{ border-color: {c.accent}; }}
QLineEdit:focus, QSpinBox:focus, QPlainTextEdit:focus, QPushButton:focus {{
    border-color: {c.accent}; }}
QPushButton:checked, QToolButton:checked {{ background: {c.chosen}; border-color: {c.accent}; }}
QPushButton:disabled, QToolButton:disabled, QComboBox:disabled {{ color: {c.muted};
    background: {c.panel}; }}
QPushButton#extra {{ background: {c.extra}; border-color: {c.good}; font-weight: 600;
    padding: {px(6)}px; }}
QPushButton#extra[armed="true"] {{ background: {c.armed}; border-color: {c.warn}; }}
QPushButton#extra:disabled {{ background: {c.field}; border-color: {c.line}; }}
QSpinBox {{ padding-right: {px(16)}px; }}
QSpinBox::up-button, QSpinBox::down-button {{ border: none; width: {px(14)}px; }}
QSpinBox::up-arrow {{ image: url({ICONS.as_posix()}/up-{_shade}.svg); width: {px(7)}px; }}
QSpinBox::down-arrow {{ image: url({ICONS.as_posix()}/down-{_shade}.svg); width: {px(7)}px; }}
QComboBox::drop-down {{ border: none; width: {px(18)}px; }}
QComboBox::down-arrow {{ image: url({ICONS.as_posix()}/down-{_shade}.svg); width: {px(9)}px; }}
QComboBox QAbstractItemView {{ background: {c.field}; color: {c.text};
    selection-background-color: {c.chosen}; selection-color: {c.text}; }}
QCheckBox::indicator {{ width: {px(11)}px; height: {px(11)}px; border: 1px solid {c.muted};
    border-radius: 3px; background: {c.field}; }}
QCheckBox::indicator:checked {{ background: {c.accent}; border-color: {c.accent}; }}
QScrollBar:vertical {{ background: {c.panel}; width: {px(9)}px; }}
QScrollBar:horizontal {{ background: {c.panel}; height: {px(9)}px; }}
QScrollBar::handle:horizontal {{ background: {c.line}; border-radius: 4px; min-width: 20px; }}
QScrollBar::handle:vertical {{ background: {c.line}; border-radius: 4px; min-height: 20px; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
    background: none; height: 0; width: 0; }}
QProgressBar {{ background: {c.field}; border: 1px solid {c.line}; border-radius: 4px;
    text-align: center; min-height: {px(17)}px; max-height: {px(17)}px; }}
QProgressBar::chunk {{ background: {c.progress}; border-radius: 3px; }}
QSlider::groove:horizontal {{ height: 4px; background: {c.line}; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {c.accent}; width: 12px; margin: -5px 0;
    border-radius: 6px; }}
QTableView, QTableWidget, QListWidget {{ background: {c.panel}; border: none;
    gridline-color: {c.line}; selection-background-color: {c.chosen}; selection-color: {c.text}; }}
QTableWidget::item {{ padding: 0; }}
QHeaderView, QHeaderView::section {{ background: {c.panel}; color: {c.muted}; border: none;
    padding: 2px 0; }}
QSplitter::handle {{ background: {c.back}; }}
QMainWindow::separator {{ background: {c.back}; width: 5px; height: 5px; }}
QDockWidget {{ color: {c.muted}; font-weight: 600; }}
QDockWidget::title {{ background: {c.back}; padding: {px(2)}px {px(6)}px; }}
QTabBar {{ qproperty-drawBase: 0; }}
QTabBar::tab {{ background: {c.back}; color: {c.muted}; border: 1px solid {c.line};
    padding: {px(3)}px {px(9)}px; border-top-left-radius: 4px; border-top-right-radius: 4px; }}
QTabBar::tab:selected {{ background: {c.panel}; color: {c.text}; border-bottom-color: {c.panel}; }}
QTabBar::tab:hover {{ color: {c.text}; }}
QMenuBar {{ background: {c.back}; padding: 1px; }}
QMenuBar::item {{ background: transparent; padding: {px(3)}px {px(8)}px; border-radius: 4px; }}
QMenuBar::item:selected {{ background: {c.field}; }}
QMenu {{ background: {c.panel}; border: 1px solid {c.line}; padding: 4px; }}
QMenu::item {{ padding: {px(4)}px {px(22)}px; border-radius: 3px; background: transparent; }}
QMenu::item:selected {{ background: {c.chosen}; color: {c.text}; }}
QMenu::item:disabled {{ color: {c.muted}; }}
QMenu::separator {{ background: {c.line}; height: 1px; margin: 4px 8px; }}
"""


# White where little was oxidised (high interface), purple where much: the scale of Figure 3.
_PURPLES = [(38, 6, 66), (92, 34, 138), (150, 90, 186), (207, 172, 224), (255, 255, 255)]
_STOPS = [0.0, 0.25, 0.5, 0.75, 1.0]
PURPLE_WHITE = pg.ColorMap(_STOPS, _PURPLES, name="purple-white")
WHITE_PURPLE = pg.ColorMap(_STOPS, _PURPLES[::-1], name="white-purple")


def colour_map(name: str, chosen: str = "paper", *, difference: bool = False) -> pg.ColorMap:
    """The colour scale of the map `name`; a difference has white at zero."""
    if difference:
        return pg.colormap.get("CET-D1A")
    if chosen == "grey":
        return pg.colormap.get("CET-L1")
    if chosen in COLOUR_SCALES[1:]:
        return pg.colormap.get(chosen)
    if name in ("height", "deposit_front"):
        return PURPLE_WHITE
    if name == "removal":
        return WHITE_PURPLE
    return pg.colormap.get("cividis" if name.endswith("error") else "viridis")


def apply(app: QApplication, look: Shade = "dark", letters: float = 1.0) -> None:
    """The same on every desktop: `look` is dark or light, `letters` scales fonts and sizes."""
    global _shade, _scale
    _shade, _scale = look, letters
    c = palette()
    if app.style().objectName() != "fusion":
        app.setStyle("Fusion")
    app.setFont(QFont(FAMILY, round(POINT_SIZE * letters)))
    roles = {
        QPalette.ColorRole.Window: c.back,
        QPalette.ColorRole.WindowText: c.text,
        QPalette.ColorRole.Base: c.panel,
        QPalette.ColorRole.AlternateBase: c.field,
        QPalette.ColorRole.Text: c.text,
        QPalette.ColorRole.PlaceholderText: c.muted,
        QPalette.ColorRole.Button: c.field,
        QPalette.ColorRole.ButtonText: c.text,
        QPalette.ColorRole.Highlight: c.accent,
        QPalette.ColorRole.Link: c.accent,
        QPalette.ColorRole.LinkVisited: c.plateau,
        QPalette.ColorRole.ToolTipBase: c.field,
        QPalette.ColorRole.ToolTipText: c.text,
    }
    colours = QPalette()
    for role, colour in roles.items():
        colours.setColor(role, QColor(colour))
    app.setPalette(colours)
    pg.setConfigOptions(background=c.panel, foreground=c.muted, antialias=True)
    for window in app.topLevelWidgets():
        if window.styleSheet():
            dress(window)


def dress(window: QWidget) -> None:
    """Gives a window the style sheet of the look, now and whenever that changes. The sheet is not
    the application's: each plot has some forty widgets for a menu that is never opened, and Qt
    would restyle them too."""
    sheet = style()
    if window.styleSheet() != sheet:
        window.setStyleSheet(sheet)


def axis_font() -> QFont:
    """Small, for the numbers of an axis."""
    font = QFont(FAMILY)
    font.setPointSizeF(8 * _scale)
    return font


def pen(colour: Any, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen for plots, as wide on every screen: in plots, Qt takes widths for pixels of the device,
    which on a screen of high resolution are small."""
    app = QApplication.instance()
    ratio = app.devicePixelRatio() if isinstance(app, QApplication) else 1.0
    made: QPen = pg.mkPen(colour, width=width * ratio, style=style)
    return made


@lru_cache(maxsize=64)
def brush(colour: str) -> QBrush:
    """The same brush for the same colour: pyqtgraph keeps each that it has drawn a symbol with."""
    return QBrush(QColor(colour))


def rgb(colour: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """(3,) uint8 of a colour such as "#58616e"."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
