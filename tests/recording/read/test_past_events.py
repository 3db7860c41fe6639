"""Events, requests and counters out of a recording's lines, whatever stands in them."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from monitor.playback.opened import serving_settings
from monitor.processes import free_addresses
from monitor.recording.read.counters import count_messages
from monitor.recording.read.experiment import Experiment
from monitor.recording.read.past_events import MAX_LINE_BYTES, past_of
from monitor.records import Event, ScanRequest

REQUEST = {"id": "r", "reason": "pit_onset", "after_scan": 1, "evidence": {"pits": 2}}


def line(number: int, kind: str = "note", cell: str = "A", **data: Any) -> bytes:
    entry = {"number": number, "kind": kind, "cell": cell, "time": 5.0, "data": data}
    return json.dumps(entry).encode() + b"\n"


def past(folder: Path, cell: bytes, root: bytes = b"") -> Any:
    (folder / "A").mkdir()
    (folder / "A" / "events.jsonl").write_bytes(cell)
    (folder / "events.jsonl").write_bytes(root)
    return past_of(Experiment(folder, {}), ["A"])


def test_events_of_all_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    found = past(tmp_path, line(1) + line(3, "scan_request", **REQUEST), line(2, cell=""))
    assert [getattr(output, "number", output) for output in found.outputs] == [
        1,
        2,
        ScanRequest("r", "A", "pit_onset", 1, {"pits": 2}),
        3,
    ]
    assert found.last_number == 3 and found.problems == []


def test_a_request_that_no_event_tells_of_stands_where_it_was_written(tmp_path: Path) -> None:
    alone = json.dumps({"kind": "scan_request", "cell": "A", "data": REQUEST}).encode() + b"\n"
    found = past(tmp_path, line(1) + alone + line(2))
    assert [type(output) for output in found.outputs] == [Event, ScanRequest, Event]


@pytest.mark.parametrize(
    "bad",
    [
        b"not JSON\n",
        b"[1]\n",
        b"[" * 100_000 + b"\n",
        line(1, cell="elsewhere"),
        line(1).replace(b"5.0", b"NaN"),
        line(1).replace(b'"number": 1', b'"number": true'),
        line(10**30),
        line(1, "scan_request", id=7).replace(b'"number": 1, ', b""),
        line(1, text="x" * MAX_LINE_BYTES),
    ],
)
def test_a_bad_line_costs_itself_and_is_told(tmp_path: Path, bad: bytes) -> None:
    found = past(tmp_path, line(7) + bad + line(8))
    assert [output.number for output in found.outputs] == [7, 8]
    (problem,) = found.problems
    assert "A/events.jsonl" in problem and "1 lines" in problem


def test_a_line_that_a_crash_cut_short_is_left_out_and_no_problem(tmp_path: Path) -> None:
    found = past(tmp_path, line(7) + line(8)[:-1])
    assert [output.number for output in found.outputs] == [7]
    assert found.problems == []


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    os.mkfifo(tmp_path / "A" / "events.jsonl")
    os.mkfifo(tmp_path / "journal.jsonl")
    assert past_of(Experiment(tmp_path, {}), ["A"]).outputs == []
    assert count_messages(tmp_path) == ({}, None)


def test_messages_are_counted_by_what_could_be_read(tmp_path: Path) -> None:
    long = "x" * 1000
    lines = [
        {"n": 0, "at": 7.0, "feed": "slices", "header": {"htype": "image", "cell": long}},
        {"n": 1, "at": 8.0, "feed": "slices", "bad": {"kind": "not_json"}},
        {"n": 2, "at": 8.0, "feed": "slices", "quiet": {}},
        {"n": 3, "at": 9.5, "feed": "documents", "name": "event", "doc": {"feed": "slices"}},
    ]
    text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in lines)
    (tmp_path / "journal.jsonl").write_text(text + '{"n":4,"at":99.0,"feed":"slices","header":')
    counts, last = count_messages(tmp_path)
    assert counts == {"slices": 1, "documents": 1} and last == 9.5


def test_addresses_are_those_given_or_free(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    here = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    free, other = free_addresses(2)
    made = Experiment(
        tmp_path / "of last May", {"settings": {"results": {"pull": here, "status": free}}}
    )
    with taken:
        chosen = serving_settings(made, None, None).results
        assert chosen.status == free and chosen.pull not in (here, free)
        chosen = serving_settings(made, other, None).results
        assert (chosen.pull, chosen.status) == (other, free)
        chosen = serving_settings(made, free, None).results
        assert chosen.pull == free and chosen.status != free
    chosen = serving_settings(made, None, None)
    assert chosen.requests.backend == "none" and chosen.experiment.name == "of last May"
