"""Starts the screen, or says in one line why it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from monitor.errors import MissingSoftware

if TYPE_CHECKING:
    from monitor.sockets.keys import ClientKeys

_PROBE = "from PySide6.QtWidgets import QApplication; QApplication([])"
_PACKAGES = (
    "libglib2.0-0 libgl1 libegl1 libfontconfig1 libxkbcommon0 libdbus-1-3 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0 libxcb-shape0"
)


def display_problem(load: Callable[[], object] = lambda: None) -> str | None:
    """Why no window can be opened here, in one line; None if one can. `load` is called in the
    meantime."""
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and not platform and not shown:
        return (
            "screen: got no display, expected DISPLAY or WAYLAND_DISPLAY to be set; "
            "log in with a desktop or `ssh -X`, or add --headless"
        )
    # Qt ends the process where a library or the display fails, so it is tried in another one
    probe = subprocess.Popen(
        [sys.executable, "-c", _PROBE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with probe:
        try:
            with suppress(ImportError):  # which the probe reports, in words
                load()
            stderr = probe.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            return "screen: the display does not answer; check DISPLAY, or add --headless"
        finally:
            probe.kill()
    return _worded(stderr) if probe.returncode else None


def _load_window() -> None:
    import monitor.gui.main_window  # noqa: F401


def _worded(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if "cannot open shared object" in line or "needed to load" in line or "connect to" in line
    ]
    why = (telling or lines or ["no reason given"])[0 if telling else -1]
    return (
        f"screen: Qt cannot open a window ({why}); on Debian: apt install {_PACKAGES}, "
        "or add --headless"
    )


def run(
    connect: str,
    status: str | None,
    *,
    cell: str | None = None,
    viewer: bool = False,
    keys: ClientKeys | None = None,
) -> int:
    """Shows the window until it is closed.

    `connect` and `status` are the pull and PUB addresses of the engine; a `viewer` may not give
    orders; `keys` are needed if the engine requires them. Raises MissingSoftware (one line) if
    there is no display or a system library is missing.
    """
    problem = display_problem(_load_window)
    if problem:
        raise MissingSoftware(problem)
    from pyqtgraph.util.garbage_collector import GarbageCollector
    from PySide6.QtCore import QSettings, QTimer
    from PySide6.QtWidgets import QApplication

    from monitor.gui.look import kept_look
    from monitor.gui.main_window import Window
    from monitor.gui.state.client import Client
    from monitor.gui.views.relief.gl_probe import why_no_opengl
    from monitor.gui.widgets import theme
    from monitor.memory import settle

    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    kept = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "pitwatch", "screen")
    theme.apply(app, *kept_look(kept))
    client = Client(connect, status, keys)
    window = Window(client, cell, kept=kept, viewer=viewer)
    window.restore()
    for number in (signal.SIGINT, signal.SIGTERM):
        # the window's own timer lets Python see the signal
        signal.signal(number, lambda *_: app.quit())
    window.show()
    # two tenths of a second, rather now than when the relief is looked at first
    QTimer.singleShot(0, why_no_opengl)
    settle()
    # left to itself, Python does it in the client's thread too, where no object of Qt may end
    collector = GarbageCollector()
    try:
        return int(app.exec())
    finally:
        collector.timer.stop()
        client.close()
