"""The screen tells who was refused, and does not go to another machine without keys."""

from __future__ import annotations

import pytest

from monitor.gui.panels.session import SessionPanel
from monitor.records import Event
from tests.gui.synthetic import T0


def test_who_was_refused_stands_beside_the_engine(bench, screen, qtbot):
    engine = bench()
    engine.scans("A", 1)
    window = screen(engine.publisher)
    qtbot.waitUntil(lambda: window.snapshot.state is not None, timeout=5000)
    assert "refused" not in window.status.engine.text() + window.status.engine.toolTip()
    gate = engine.publisher._gate
    for _ in range(3):
        gate.refused_key("10.9.8.7", "x" * 40, "screens")
    gate.refused_order()
    qtbot.waitUntil(lambda: "3 refused" in window.status.engine.text(), timeout=5000)
    tip = window.status.engine.toolTip()
    assert "3 from 10.9.8.7" in tip
    assert "1 orders from viewers" in tip


@pytest.mark.parametrize("address", ["tcp://10.9.8.7:5611", "tcp://127.example.org:5611"])
def test_another_machine_needs_keys(bench, screen, qtbot, address):
    engine = bench()
    window = screen(engine.publisher)
    panel = window.findChild(SessionPanel)
    wanted = []
    panel.connect_wanted.connect(wanted.append)
    panel.address.setEditText(address)
    panel.go.click()
    assert wanted == []
    assert "--server-key" in panel.problem.text()


def test_words_that_came_over_a_wire_are_shown_as_they_are(bench, screen, qtbot):
    """Qt would load the picture."""
    engine = bench()
    engine.scans("A", 1)
    window = screen(engine.publisher)
    text = "<img src='file:///etc/hostname'> & more"
    engine.update(Event(50, "alarm", "A", T0, {"scan": 0, "text": text}))
    shown = window.notices.alarm.text
    qtbot.waitUntil(lambda: "more" in shown.text(), timeout=5000)
    assert "&lt;img" in shown.text()
    assert "<img" not in shown.text() + shown.toolTip()
    window.notices.add(text, text)
    assert "<img" not in window.notices.problems[0].text.text()
