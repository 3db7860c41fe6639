"""Dialogs of the screen: other engines, recordings, pictures, tables, the guide.

None of them blocks the live view: each is a separate window.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from monitor.errors import PitwatchError
from monitor.gui.actions import Handlers
from monitor.gui.opened_recordings import Recordings
from monitor.gui.panels.alarms import Notices
from monitor.gui.panels.guide import GuidePanel
from monitor.gui.panels.session import SessionPanel
from monitor.gui.state.client import Client
from monitor.gui.widgets import export
from monitor.gui.widgets.paint_queue import Turns
from monitor.gui.widgets.view import View


class Dialogs(QObject):
    """Actions of the menus "Engine" and "Help". `engine_changed`: emitted when another engine is
    shown."""

    engine_changed = Signal()

    def __init__(
        self,
        window: QWidget,
        client: Client,
        notices: Notices,
        session: SessionPanel,
        views: Mapping[str, View],
        queue: Turns,
        about: Callable[[], str],
    ) -> None:
        super().__init__(window)
        self._window, self._client, self._notices = window, client, notices
        self._session, self._views, self._queue = session, views, queue
        self._about = about
        self._home = (client.address, client.status_address)
        self._guide = GuidePanel()
        self._recordings = Recordings()
        self._recordings.failed.connect(lambda why: notices.add(why, "choose another folder"))
        told = self._recordings.reported
        told.connect(lambda folder: notices.add(f"Report written into {folder}", "open it"))
        session.connect_wanted.connect(self.connect_to)
        session.recording_wanted.connect(self.ask_recording)
        for view in views.values():
            view.export_wanted.connect(partial(self.ask_csv, view))
            view.picture_wanted.connect(partial(self.ask_picture, view))

    def handlers(self) -> Handlers:
        """Its functions, by the names of actions."""
        return {
            "open_recording": self.ask_recording,
            "report": self.ask_report,
            "first_engine": self.go_home,
            "window_picture": self.ask_window_picture,
            "view_picture": self.ask_view_picture,
            "view_csv": self.ask_view_csv,
            "guide": self._guide.open_contents,
        }

    def close(self) -> None:
        """Ends the processes that serve recordings."""
        self._recordings.close()
        self._guide.close()

    def connect_to(self, address: str, status: str | None = None) -> None:
        """Shows another engine from now on."""
        self._client.connect(address, status)
        self._session.know(address)
        self.engine_changed.emit()

    def go_home(self) -> None:
        """Back to the engine that the screen was started for."""
        if self._client.address != self._home[0]:
            self.connect_to(*self._home)

    def open_recording(self, folder: str | Path) -> None:
        """Shows a recorded experiment; the live engine continues by itself."""
        if not (Path(folder) / "experiment.toml").is_file():
            self._notices.add(f"{folder} is not a recorded experiment", "it holds experiment.toml")
            return
        self.connect_to(*self._recordings.open(Path(folder)))

    def ask_recording(self) -> None:
        """Asks for a folder, without blocking the live view."""
        dialog = self._dialog("Open recording", QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.open_recording)
        dialog.show()

    def ask_report(self) -> None:
        """Asks for a recorded experiment to report on; the report is written beside the screen."""
        dialog = self._dialog("Report on a recording", QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda folder: self._recordings.report(Path(folder)))
        dialog.show()

    def ask_window_picture(self) -> None:
        """A picture of the whole window."""
        act = partial(self.picture, self._window)
        self._ask_path("Picture of the window", export.KINDS, "window", act)

    def ask_view_picture(self) -> None:
        """A picture of the view under the mouse, of the map if there is none."""
        self.ask_picture(next(self._below(), self._views["map"]))

    def ask_view_csv(self) -> None:
        """The numbers of the view under the mouse, of the trend if it has none."""
        having = (view for view in self._below() if view.has_csv)
        self.ask_csv(next(having, self._views["trend"]))

    def _below(self) -> Iterator[View]:
        return (v for v in self._views.values() if v.isVisible() and v.underMouse())

    def ask_picture(self, view: View) -> None:
        """A picture of this view."""
        what = view.title.text()
        self._ask_path("Picture of a view", export.KINDS, what, partial(self.picture, view))

    def ask_csv(self, view: View) -> None:
        """The table of a view as it is filtered and sorted."""
        what = view.title.text()
        self._ask_path(f"Table: {what}", "Tables (*.csv)", what, partial(self.write_csv, view))

    def picture(self, widget: QWidget, path: str | Path) -> None:
        """Writes a picture, or says why not."""
        # no view is older than another in it
        self._queue.finish()
        try:
            export.save(widget, path)
        except PitwatchError as error:
            self._notices.add(str(error), "choose another name")

    def write_csv(self, view: View, path: str | Path) -> None:
        """Writes the table of a view, or says why not."""
        try:
            Path(path).with_suffix(".csv").write_text(view.csv(), "utf-8", newline="")
        except OSError as error:
            self._notices.add(f"table: {path} cannot be written ({error})", "choose another folder")

    def _ask_path(self, title: str, kinds: str, what: str, act: Any) -> None:
        ending = kinds.partition("*")[2][:4]
        dialog = self._dialog(title, QFileDialog.FileMode.AnyFile)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(kinds)
        dialog.selectFile(re.sub(r"[^\w.-]+", "_", f"{self._about()}-{what}") + ending)
        dialog.fileSelected.connect(act)
        dialog.show()

    def _dialog(self, title: str, mode: QFileDialog.FileMode) -> QFileDialog:
        dialog = QFileDialog(self._window, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setModal(False)
        dialog.setFileMode(mode)
        return dialog
