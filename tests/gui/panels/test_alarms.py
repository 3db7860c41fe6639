"""Alarms above the views: what they mean, what to do, and when one can be acknowledged."""

import re
from pathlib import Path

import pytest

from monitor.gui.panels import alarms as module
from monitor.gui.panels.alarms import Notices
from monitor.gui.widgets import theme
from monitor.gui.wording.alarms import CONDITIONS, MISSING_SLICES, OTHER, help_of
from tests.gui import made

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def lines(qtbot, qapp, clock):
    theme.apply(qapp)
    made_lines = Notices()
    qtbot.addWidget(made_lines)
    made_lines.show()
    made_lines.acknowledgements = []
    made_lines.order_given.connect(
        lambda order: made_lines.acknowledgements.append((order.cell, order.number))
    )
    return made_lines


def alarm(number, condition="closure", text="closure 0.70 is outside", **more):
    return {"number": number, "time": made.T0, "cell": "A", "text": text, "scan": 3,
            "condition": condition, "ended": None} | more  # fmt: skip


def draw(lines, *alarms):
    lines.draw(made.snapshot({"A": made.cell(made.scan(3), alarms=list(alarms))}))


def test_an_alarm_is_acknowledged_only_once_it_has_been_visible_for_a_second(lines, clock):
    draw(lines, alarm(1))
    lines.acknowledge()
    assert not lines.alarm.button.isEnabled()
    clock[0] += 0.9
    draw(lines, alarm(1))
    lines.acknowledge()
    assert lines.acknowledgements == []
    clock[0] += 0.2
    draw(lines, alarm(1))
    assert lines.alarm.button.isEnabled()
    lines.acknowledge()
    assert lines.acknowledgements == [("A", 1)]


def test_one_that_has_just_taken_the_place_of_another_is_not(lines, clock):
    draw(lines, alarm(1))
    clock[0] += 5.0
    draw(lines, alarm(1), alarm(2, "noise", "noise of the heights"))
    lines.acknowledge()
    assert lines.acknowledgements == []
    clock[0] += 1.1
    draw(lines, alarm(1), alarm(2, "noise", "noise of the heights"))
    lines.acknowledge()
    assert lines.acknowledgements == [("A", 2)]


def test_the_button_comes_alive_by_itself(lines, clock, qtbot):
    draw(lines, alarm(1))
    clock[0] += 1.1
    qtbot.waitUntil(lines.alarm.button.isEnabled, timeout=10_000)


def test_what_is_not_on_the_screen_is_not_acknowledged(lines, clock):
    draw(lines, alarm(1))
    clock[0] += 5.0
    lines.hide()
    lines.acknowledge()
    assert lines.acknowledgements == []


def test_alarms_open_to_what_they_mean_and_what_to_do(lines):
    ended = alarm(2, "", "12 slices of 96 are missing", ended=made.T0 + 60.0)
    draw(lines, alarm(1), ended)
    assert not lines.details.isVisible()
    lines.opener.click()
    assert lines.details.isVisible()
    text = lines.details.text()
    for part in ("2025-10-09 08:53:20 UTC", "ended 2025-10-09 08:54:20", "cell A"):
        assert part in text
    assert CONDITIONS["closure"].todo in text.replace("&amp;", "&")
    assert MISSING_SLICES.meaning in text
    lines.opener.click()
    assert not lines.details.isVisible()


def test_many_alarms_do_not_fill_the_screen(lines):
    draw(lines, *[alarm(n) for n in range(1, 9)])
    lines.opener.click()
    assert lines.details.text().count("<p ") == module.MAX_OPENED + 1
    assert "3 older alarms" in lines.details.text()


def test_words_out_of_an_alarm_are_no_tags(lines):
    draw(lines, alarm(1, text="<img src=x> <b>bold</b>"))
    lines.opener.click()
    assert "<img" not in lines.details.text() and "<img" not in lines.alarm.text.text()


def conditions_of_the_docs():
    text = (DOCS / "reference" / "watchdog.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)} | {"recording"}


@pytest.mark.parametrize("condition", sorted(conditions_of_the_docs()))
def test_every_condition_of_the_documents_is_explained(condition):
    told = help_of({"condition": condition, "text": "…"})
    assert told is not OTHER
    assert told.meaning.endswith(".") and told.todo.endswith(".")


def test_one_that_is_not_known_says_where_to_look():
    assert help_of({"condition": "beam_lost", "text": "the beam is lost"}) is OTHER
    assert help_of({"condition": "connection feeds.slices tcp://x:1"}) is CONDITIONS["connection"]
    assert (
        help_of({"text": "no slice of this scan was received", "condition": ""}) is MISSING_SLICES
    )
