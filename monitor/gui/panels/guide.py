"""The guide, page by page, beside the live window: the same pages as the static site's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, QUrl
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from monitor.gui.widgets import theme
from monitor.program import shared_folder


class GuidePage(QTextBrowser):
    """Shows pages and pictures below one folder, and nothing else."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root.resolve()
        self.setOpenExternalLinks(False)

    def has(self, url: QUrl | str) -> bool:
        """Whether it is a file below the folder; a relative one is looked for beside the page."""
        whole = self.source().resolved(QUrl(url))
        if not whole.isLocalFile():
            return False
        path = Path(whole.toLocalFile()).resolve()
        return path.is_relative_to(self._root) and path.is_file()

    def loadResource(self, kind: int, url: QUrl | str) -> Any:
        return super().loadResource(kind, url) if self.has(url) else ""

    def doSetSource(
        self,
        url: QUrl | str,
        kind: QTextDocument.ResourceType = QTextDocument.ResourceType.UnknownResource,
    ) -> None:
        """A link that leads out of the folder is not followed."""
        if self.has(url):
            super().doSetSource(url, kind)


class GuidePanel(QMainWindow):
    """A separate window, so that the live view stays visible."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = folder = folder or shared_folder("docs") / "how-to"
        self.setWindowTitle("pitwatch – guide")
        self.page = GuidePage(folder.parent)
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
        """Shows the first page, or says which file is missing."""
        first = self._folder / "index.md"
        if first.is_file():
            self.page.setSource(QUrl.fromLocalFile(str(first)))
        else:
            self.page.setPlainText(f"The guide was not installed: {first} is missing.")
        theme.dress(self)
        self.resize(QSize(theme.px(900), theme.px(760)).boundedTo(self.screen().availableSize()))
        self.show()
        self.raise_()
