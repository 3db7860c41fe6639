"""What comes to the screen and leaves it: other engines, recordings, pictures, tables, the guide.

No dialog here holds up the live view: each is a window of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from monitor.errors import PitwatchError
from monitor.gui.opened_recordings import Recordings
from monitor.gui.panels.guide import GuidePanel
from monitor.gui.widgets import export

if TYPE_CHECKING:
    from monitor.gui.main_window import Window


class Dialogs:
    """What the menus "Engine" and "Help" offer."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._home = (window.client.address, window.client.status_address)
        self._guide = GuidePanel()
        self._recordings = Recordings()
        self._recordings.failed.connect(
            lambda why: window.notices.add(why, "choose another folder")
        )

    def close(self) -> None:
        """Ends the processes that serve recordings."""
        self._recordings.close()
        self._guide.close()

    def connect_to(self, address: str, status: str | None = None) -> None:
        """Shows another engine from now on."""
        self._window.client.connect(address, status)
        self._window.session.know(address)
        self._window.begin_anew()

    def go_home(self) -> None:
        """Back to the engine that the screen was started for."""
        if self._window.client.address != self._home[0]:
            self.connect_to(*self._home)

    def open_recording(self, folder: str | Path) -> None:
        """Shows a recorded experiment; the live engine continues by itself."""
        if not (Path(folder) / "experiment.toml").is_file():
            self._window.notices.add(
                f"{folder} is no recorded experiment", "it holds experiment.toml"
            )
            return
        self.connect_to(*self._recordings.open(Path(folder)))

    def ask_recording(self) -> None:
        """Asks for a folder, without holding up anything."""
        dialog = self._dialog("Open recording", QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.open_recording)
        dialog.show()

    def ask_window_picture(self) -> None:
        """A picture of the whole window."""
        self._ask_path(
            "Picture of the window", export.KINDS, lambda p: self.picture(self._window, p)
        )

    def ask_view_picture(self) -> None:
        """A picture of the view below the mouse, of the map where there is none."""
        view = self._view_below_mouse()
        self._ask_path("Picture of a view", export.KINDS, lambda p: self.picture(view, p))

    def ask_csv(self) -> None:
        """The table of pits as it is filtered and sorted."""
        self._ask_path("Table of pits", "Tables (*.csv)", self.write_csv)

    def picture(self, widget: QWidget, path: str | Path) -> None:
        """Writes a picture, or says why not."""
        # no view is older than another in it
        self._window.turns.finish()
        try:
            export.save(widget, path)
        except PitwatchError as error:
            self._window.notices.add(str(error), "choose another name")

    def write_csv(self, path: str | Path) -> None:
        """Writes the table of pits, or says why not."""
        try:
            Path(path).with_suffix(".csv").write_text(self._window.pits.csv(), "utf-8", newline="")
        except OSError as error:
            self._window.notices.add(
                f"table: {path} cannot be written ({error})", "choose another folder"
            )

    def _ask_path(self, title: str, kinds: str, act: Any) -> None:
        dialog = self._dialog(title, QFileDialog.FileMode.AnyFile)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(kinds)
        dialog.fileSelected.connect(act)
        dialog.show()

    def _dialog(self, title: str, mode: QFileDialog.FileMode) -> QFileDialog:
        dialog = QFileDialog(self._window, title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setModal(False)
        dialog.setFileMode(mode)
        return dialog

    def _view_below_mouse(self) -> QWidget:
        window = self._window
        cards = [window.map, window.pinned, *(view.card for view in window.layouts.views)]
        return next((card for card in cards if card.isVisible() and card.underMouse()), window.map)

    def show_guide(self) -> None:
        """The guide, in a window of its own."""
        self._guide.open_contents()
