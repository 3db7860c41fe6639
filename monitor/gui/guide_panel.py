"""The guide, page by page, beside the live window: the same pages as the static site's."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from monitor.gui import theme

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


class GuidePanel(QMainWindow):
    """A window of its own, so that the live view stays in sight."""

    def __init__(self, folder: Path = GUIDE) -> None:
        super().__init__()
        self._folder = folder
        self.setWindowTitle("pitwatch – guide")
        self.page = QTextBrowser()
        self.page.setOpenExternalLinks(False)
        back, home = QPushButton("Back"), QPushButton("Contents")
        back.clicked.connect(self.page.backward)
        home.clicked.connect(self.open_contents)
        row = QHBoxLayout()
        row.addWidget(back)
        row.addWidget(home)
        row.addStretch(1)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addLayout(row)
        column.addWidget(self.page, 1)
        self.setCentralWidget(inside)

    def open_contents(self) -> None:
        """Shows the first page, or says where the guide is where it was not installed."""
        first = self._folder / "index.md"
        if first.is_file():
            self.page.setSource(QUrl.fromLocalFile(str(first)))
        else:
            self.page.setPlainText(f"The guide is part of the source: {first} is not there.")
        self.resize(theme.px(900), theme.px(760))
        self.show()
        self.raise_()
