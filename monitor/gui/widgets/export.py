"""What leaves the screen: pictures (PNG at the screen's own resolution, SVG) and tables (CSV)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from PySide6.QtCore import QPoint, QSize
from PySide6.QtGui import QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from monitor.errors import PitwatchError
from monitor.plain_text import csv_field
from monitor.wire.results.cells import Scan

DIGITS = 5
"""Significant digits of numbers in tables: more than any of them is certain to."""
KINDS = "Pictures (*.png *.svg)"


def table(cell: str, scans: Sequence[Scan | None], columns: Mapping[str, Sequence[object]]) -> str:
    """Columns of equal length as CSV (RFC 4180), each row with its cell, scan and the time at which
    that began (ISO 8601)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["cell", "scan", "time", *map(csv_field, columns)])
    for scan, *values in zip(scans, *columns.values(), strict=True):
        about = scan or Scan()
        begun = about.get("start_time")
        time = "" if begun is None else datetime.fromtimestamp(begun, UTC).isoformat()
        fields = (cell, about.get("scan"), time, *map(_rounded, values))
        writer.writerow(map(csv_field, fields))
    return text.getvalue()


def _rounded(value: object) -> object:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


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
