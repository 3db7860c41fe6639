"""Export of pictures (PNG at the screen's resolution, SVG) and tables (CSV)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, QSize
from PySide6.QtGui import QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from monitor.csv_text import csv_text
from monitor.errors import PitwatchError
from monitor.wire.results.cells import Scan

KINDS = "Pictures (*.png *.svg)"


def table(cell: str, scans: Sequence[Scan | None], columns: Mapping[str, Sequence[object]]) -> str:
    """Columns of equal length as CSV, each row with its cell, scan and the time at which that
    began."""
    known = [scan or Scan() for scan in scans]
    begun = [one.get("start_time") for one in known]
    return csv_text([cell] * len(known), [one.get("scan") for one in known], begun, columns)


def save(widget: QWidget, path: Path | str) -> Path:
    """Writes a widget as it is; returns the path. Raises PitwatchError if that fails."""
    path = Path(path)
    if not path.suffix:
        path = path.with_suffix(".png")
    if path.suffix.lower() not in (".png", ".svg"):
        raise PitwatchError(f"picture: {path.name} is neither .png nor .svg; choose one of these")
    whole = widget.size()
    done = _svg(widget, path, whole) if path.suffix.lower() == ".svg" else _png(widget, path)
    if not done:
        raise PitwatchError(f"picture: {path} cannot be written; choose another folder")
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
