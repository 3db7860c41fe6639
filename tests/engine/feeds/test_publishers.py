"""Publishers of folders beside the engine: processes that are started again, and end with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor import processes
from monitor.engine.feeds.publishers import CALM_S, FolderPublishers, with_addresses
from monitor.errors import SettingError
from monitor.processes import is_free
from monitor.settings import Settings, parse
from tests.helpers.waiting import eventually

PROGRAM = """
import sys
from pathlib import Path
from monitor.processes import stop_on_signal
mark = Path(sys.argv[1])
with stop_on_signal() as stop, mark.open("a") as file:
    file.write("began " + " ".join(sys.argv[2:]) + "\\n")
    file.flush()
    stop.wait(600)
    file.write("ended\\n")
"""


def of(*folders: dict[str, Any], **feeds: Any) -> Settings:
    return parse({"cells": [{"name": "A"}, {"name": "B"}], "feeds": {"folders": folders, **feeds}})


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file in which each publisher says that it began, and how it ended."""
    program, mark = tmp_path / "program.py", tmp_path / "mark"
    program.write_text(PROGRAM)
    words = [sys.executable, str(program), str(mark)]
    monkeypatch.setattr(processes, "command", lambda *more: [*words, *more])
    monkeypatch.setenv("PYTHONPATH", processes.own_environment()["PYTHONPATH"])
    yield mark


def lines(mark: Path) -> list[str]:
    return mark.read_text().splitlines() if mark.exists() else []


def test_one_that_is_killed_is_started_again_and_all_end_at_the_close(mark: Path) -> None:
    said: list[str] = []
    settings = of({"cell": "A", "paths": ["recs"], "slices": 3, "first_slice": 0})
    started = FolderPublishers(settings.feeds.folders, said.append, unrecorded_MB=512.4)
    (publisher,) = started._publishers
    publisher.pause_s = 0.05
    started.start()
    try:
        eventually(lambda: len(lines(mark)) == 1)
        as_set = (
            "began publish-folder recs --pattern=* --slices=3 --first-slice=0 --duration=0.0 "
            "--delay=0.0 --quiet=300.0 --poll=1.0 --cell=A"
        )
        assert lines(mark) == [f"{as_set} --again=512 --unattended"]
        started._children._running[publisher.name].kill()
        eventually(lambda: len(lines(mark)) == 2)
        assert lines(mark)[1] == f"{as_set} --unattended", "the engine has the slices before"
        assert said == [
            "publish-folder of cell A has ended with code -9; it is started again in 0.05 s, and "
            "continues with the slices that were not sent"
        ]
    finally:
        started.close()
    assert lines(mark)[2:] == ["ended"]
    assert not started._children.alive(publisher.name)


def test_one_that_ends_again_and_again_is_started_less_often(monkeypatch: Any) -> None:
    said: list[str] = []
    started = FolderPublishers(of({"cell": "A", "paths": ["recs"]}).feeds.folders, said.append)
    (publisher,) = started._publishers
    monkeypatch.setattr(started._children, "start", lambda *_, **__: None)
    for _ in range(9):
        started._ended(publisher)
        publisher.again = 0.0
        started._ended(publisher)
    waits = [text.partition(" again in ")[2].partition(" s")[0] for text in said]
    assert waits == ["1", "2", "4", "8", "16", "32", "60", "60", "60"]
    publisher.began -= CALM_S + 1
    started._ended(publisher)
    assert " again in 1 s" in said[-1]


def test_a_process_that_cannot_be_started_is_said_and_tried_again(monkeypatch: Any) -> None:
    said: list[str] = []
    started = FolderPublishers(of({"cell": "A", "paths": ["recs"]}).feeds.folders, said.append)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(started._children, "start", fail)
    started.start()
    try:
        assert "cannot be started (Resource temporarily unavailable)" in said[0]
    finally:
        started.close()


def test_each_folder_without_an_address_gets_a_free_one_and_the_engine_connects_to_all() -> None:
    fixed = "tcp://127.0.0.1:5609"
    settings = with_addresses(
        of({"cell": "A", "paths": ["a"]}, {"cell": "B", "paths": ["b"], "endpoint": fixed})
    )
    found, given = settings.feeds.slice_addresses
    assert given == fixed and is_free(found)
    assert settings.feeds.slices == ()
    both = with_addresses(of({"cell": "A", "paths": ["a"]}, slices=[fixed]))
    assert both.feeds.slice_addresses[0] == fixed and len(both.feeds.slice_addresses) == 2
    assert of(slices=[fixed]) == with_addresses(of(slices=[fixed]))


def test_an_address_that_others_can_reach_stops_the_start() -> None:
    folder = {"cell": "A", "paths": ["a"], "endpoint": "tcp://0.0.0.0:5609"}
    with pytest.raises(SettingError, match=r"feeds\.folders\.endpoint"):
        with_addresses(of(folder))
