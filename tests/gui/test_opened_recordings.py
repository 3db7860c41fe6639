"""Processes that the window starts: what they say when they end."""

import sys
from pathlib import Path

import pytest

from monitor.gui import opened_recordings
from monitor.gui.opened_recordings import Recordings


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("", ["reported", str(Path("run", "report"))]),
        ("sys.exit('no scan')", ["failed", "no scan"]),
    ],
)
def test_a_report_tells_where_it_is_or_why_there_is_none(qtbot, monkeypatch, does, told):
    monkeypatch.setattr(
        opened_recordings, "command", lambda *_: [sys.executable, "-c", f"import sys; {does}"]
    )
    recordings, heard = Recordings(), []
    recordings.reported.connect(lambda folder: heard.append(["reported", folder]))
    recordings.failed.connect(lambda why: heard.append(["failed", why]))
    recordings.report(Path("run"))
    qtbot.waitUntil(lambda: bool(heard))
    assert heard == [told]
