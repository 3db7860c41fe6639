"""A machine that cannot show a window is told so in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import MissingSoftware
from monitor.gui import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_platform(monkeypatch):
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named on Linux only")
def test_no_display_is_one_line(no_platform):
    with pytest.raises(MissingSoftware, match=r"no display.*--headless") as caught:
        app.run("tcp://127.0.0.1:5611", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "stderr",
    [
        "Traceback\nImportError: libEGL.so.1: cannot open shared object file: No such file\n",
        "qt.qpa.plugin: From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load the plugin\n"
        "This application failed to start\n",
    ],
)
def test_a_missing_library_is_named_with_what_to_install(no_platform, monkeypatch, stderr):
    monkeypatch.setenv("DISPLAY", ":77")
    monkeypatch.setattr(app, "_PROBE", f"import sys; sys.exit({stderr!r})")
    problem = app.display_problem()
    assert "apt install" in problem
    assert ("libEGL.so.1" in problem) or ("libxcb-cursor0 is needed" in problem)
    assert "\n" not in problem


ALONE = """
import gc, os, signal, sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from monitor.gui.app import run

def stop():
    print([w.windowTitle() for w in QApplication.topLevelWidgets() if w.isVisible()])
    print("collects by itself:", gc.isenabled())
    os.kill(os.getpid(), signal.SIGTERM)

app = QApplication([])
QTimer.singleShot(500, stop)
sys.exit(run(sys.argv[1], sys.argv[2], cell="A"))
"""


@pytest.mark.slow
def test_the_window_runs_until_it_is_told_to_stop(bench):
    engine = bench()
    addresses = engine.publisher.pull_address, engine.publisher.status_address
    alone = [sys.executable, "-c", ALONE, *addresses]
    done = subprocess.run(alone, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    # the client's thread may collect no garbage: Qt crashes if a widget ends in another thread
    assert done.stdout.splitlines() == ["['pitwatch']", "collects by itself: False"]
