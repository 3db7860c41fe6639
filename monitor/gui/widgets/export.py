"""Pictures of what is on the screen: PNG at the screen's own resolution, SVG to be drawn over."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, QSize
from PySide6.QtGui import QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from monitor.errors import PitwatchError

KINDS = "Pictures (*.png *.svg)"


def save(widget: QWidget, path: Path | str) -> Path:
    """Writes a widget as it is; returns the path. Raises PitwatchError where that fails."""
    path = Path(path)
    if not path.suffix:
        path = path.with_suffix(".png")
    if path.suffix.lower() not in (".png", ".svg"):
        raise PitwatchError(f"picture: {path.name} is neither .png nor .svg; name it so")
    whole = widget.size()
    done = _svg(widget, path, whole) if path.suffix.lower() == ".svg" else _png(widget, path)
    if not done:
        raise PitwatchError(f"picture: {path} cannot be written; give another folder")
    return path


def _png(widget: QWidget, path: Path) -> bool:
    return bool(widget.grab().save(str(path)))


def _svg(widget: QWidget, path: Path, size: QSize) -> bool:
    maker = QSvgGenerator()
    maker.setFileName(str(path))
    maker.setSize(size)
    maker.setViewBox(widget.rect())
    maker.setTitle("pitwatch")
    painter = QPainter()
    if not painter.begin(maker):
        return False
    widget.render(painter, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)
    painter.end()
    return path.is_file()
