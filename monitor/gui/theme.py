"""Colours, fonts and colour scales of the screen."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

BACK, PANEL, FIELD, LINE = "#14171c", "#1b1f26", "#252b34", "#353d48"
TEXT, MUTED = "#dfe4ea", "#94a0ae"
ACCENT, GOOD, WARN, BAD = "#4fb3d9", "#57c08a", "#e9b44c", "#f0654e"
COUNT, DEPTH, PLATEAU = "#f0a35e", "#f0654e", "#b48ae0"
EMPTY = "#0f1216"
NO_DATA = np.array((88, 97, 110), np.uint8)
STATE_COLOURS = {"LIVE": GOOD, "IDLE": MUTED, "LATE": WARN, "DEAD": BAD}

STYLE = f"""
* {{ font-size: 9pt; }}
QWidget {{ background: {BACK}; color: {TEXT}; }}
QToolTip {{ background: {FIELD}; color: {TEXT}; border: 1px solid {LINE}; padding: 4px; }}
QFrame#card {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: 5px; }}
QFrame#card QLabel, QFrame#card QCheckBox {{ background: transparent; }}
QLabel#title {{ color: {MUTED}; font-weight: 600; }}
QLabel#big {{ font-size: 14pt; font-weight: 600; }}
QLabel#muted {{ color: {MUTED}; }}
QPushButton, QComboBox, QToolButton {{ background: {FIELD}; border: 1px solid {LINE};
    border-radius: 4px; padding: 4px 9px; }}
QPushButton:hover, QComboBox:hover, QToolButton:hover {{ border-color: {ACCENT}; }}
QPushButton:checked, QToolButton:checked {{ background: #1f4a5c; border-color: {ACCENT}; }}
QPushButton:disabled, QToolButton:disabled {{ color: {MUTED}; }}
QPushButton#extra {{ background: #23463a; border-color: {GOOD}; font-weight: 600; padding: 6px; }}
QPushButton#extra[armed="true"] {{ background: #7a4a12; border-color: {WARN}; }}
QPushButton#extra:disabled {{ background: {FIELD}; border-color: {LINE}; }}
QComboBox QAbstractItemView {{ background: {FIELD}; selection-background-color: #1f4a5c; }}
QCheckBox::indicator {{ width: 11px; height: 11px; border: 1px solid {MUTED}; border-radius: 3px;
    background: {FIELD}; }}
QCheckBox::indicator:checked {{ background: {ACCENT}; border-color: {ACCENT}; }}
QScrollBar:vertical {{ background: {PANEL}; width: 9px; }}
QScrollBar::handle:vertical {{ background: {LINE}; border-radius: 4px; min-height: 20px; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
    background: none; height: 0; }}
QProgressBar {{ background: {FIELD}; border: 1px solid {LINE}; border-radius: 4px;
    text-align: center; min-height: 17px; max-height: 17px; }}
QProgressBar::chunk {{ background: #2b7a99; border-radius: 3px; }}
QSlider::groove:horizontal {{ height: 4px; background: {LINE}; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {ACCENT}; width: 12px; margin: -5px 0;
    border-radius: 6px; }}
QTableWidget, QListWidget {{ background: {PANEL}; border: none; gridline-color: {LINE}; }}
QTableWidget::item {{ padding: 0; }}
QHeaderView, QHeaderView::section {{ background: {PANEL}; color: {MUTED}; border: none;
    padding: 2px 1px; }}
QSplitter::handle {{ background: {BACK}; }}
"""

# White where little was oxidised (high interface), purple where much: the scale of Figure 3.
_PURPLES = [(38, 6, 66), (92, 34, 138), (150, 90, 186), (207, 172, 224), (255, 255, 255)]
_STOPS = [0.0, 0.25, 0.5, 0.75, 1.0]
PURPLE_WHITE = pg.ColorMap(_STOPS, _PURPLES)
WHITE_PURPLE = pg.ColorMap(_STOPS, _PURPLES[::-1])


def colour_map(name: str) -> pg.ColorMap:
    """The colour scale of the map `name`."""
    if name in ("height", "deposit_front"):
        return PURPLE_WHITE
    if name == "removal":
        return WHITE_PURPLE
    return pg.colormap.get("cividis" if name.endswith("error") else "viridis")


def apply(app: QApplication) -> None:
    """Dark, the same on every desktop."""
    app.setStyle("Fusion")
    app.setFont(QFont("DejaVu Sans", 9))
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: BACK,
        QPalette.ColorRole.WindowText: TEXT,
        QPalette.ColorRole.Base: PANEL,
        QPalette.ColorRole.AlternateBase: FIELD,
        QPalette.ColorRole.Text: TEXT,
        QPalette.ColorRole.Button: FIELD,
        QPalette.ColorRole.ButtonText: TEXT,
        QPalette.ColorRole.Highlight: ACCENT,
        QPalette.ColorRole.ToolTipBase: FIELD,
        QPalette.ColorRole.ToolTipText: TEXT,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    app.setPalette(palette)
    app.setStyleSheet(STYLE)
    pg.setConfigOptions(background=PANEL, foreground=MUTED, antialias=True)


def axis_font() -> QFont:
    """Small, for the numbers of an axis."""
    font = QFont("DejaVu Sans")
    font.setPointSizeF(8)
    return font
