"""A recording that is opened says over the wire, bit for bit, what the engine said that made it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.playback.opened import Recorded, serving_settings
from monitor.recording.read.experiment import open_experiment
from tests.core.experiment import experiment
from tests.helpers.waiting import PATIENCE_MS
from tests.recording.opened_run import LOST, RECOVERED, chosen, run

CELLS = {"A": (0, 1, 2), "B": (0,)}


class Screen:
    """Asks in JSON, as the contract says; keeps replies as they came."""

    def __init__(self, pull: str) -> None:
        self._context = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.connect(pull)

    def ask(self, **request: Any) -> list[Any]:
        self._dealer.send_json(request)
        assert self._dealer.poll(PATIENCE_MS), f"no answer to {request}"
        header, *buffers = self._dealer.recv_multipart()
        return [zmq.utils.jsonapi.loads(header), *buffers]

    def close(self) -> None:
        self._context.destroy(linger=0)


def questions(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that can be asked of the finished scans in a state."""
    asked: list[dict[str, Any]] = []
    for cell, known in state["cells"].items():
        asked.append({"type": "cycler", "cell": cell, "max_points": 4000})
        for scan in known["scans"]:
            where = {"cell": cell, "scan": scan["scan"]}
            asked.append({"type": "pits", **where})
            asked += [{"type": "map", "name": name, **where} for name in sorted(scan["maps"])]
            asked += [{"type": "section", "axis": a, "index": 20, **where} for a in ("y", "x")]
    newest = {"cell": "A", "scan": None, "name": "removal"}
    window = {"window": [5, 40, 0, 30], "shape": [10, 10]}
    asked.append({"type": "map", **newest, **window, "minus": 1, "least_errors": 1.0})
    asked.append({"type": "statistics", **newest, "bins": 20, "least_errors": 1.0})
    asked.append({"type": "profile", **newest, "start": [3, 3], "stop": [40, 30]})
    asked += [{"type": "pit_history", "cell": "A", "pit": pit} for pit in (1, 2)]
    return asked


@contextmanager
def opened(folder: Path, **results: Any) -> Iterator[tuple[Screen, Recorded]]:
    found = open_experiment(folder)
    made = serving_settings(found, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
    results = {"results": made.results.model_copy(update=results)}
    recorded = Recorded(found, made.model_copy(update=results))
    with (
        closing(recorded.publish()) as publisher,
        closing(Screen(publisher.pull_address)) as screen,
    ):
        yield screen, recorded


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[Any]]:
    """The recording; the state of the engine that made it, and its answers to all questions."""
    engine, recorder = run(chosen(tmp_path_factory.mktemp("live")))
    with closing(engine), closing(Screen(engine.pull_address)) as screen:
        state = screen.ask(type="state")[0]
        answers = [screen.ask(**question) for question in questions(state)]
    return recorder.folder, state, answers


def test_every_answer_is_that_of_the_live_engine(live: tuple[Path, Any, Any]) -> None:
    folder, state, answers = live
    kinds = {answer[0]["type"] for answer in answers}
    assert kinds == {"cycler", "pits", "map", "section", "statistics", "profile", "pit_history"}
    assert len(answers) > 40
    with opened(folder) as (screen, _):
        for question, answer in zip(questions(state), answers, strict=True):
            assert screen.ask(**question) == answer, question


def test_the_state_is_that_of_the_live_engine(live: tuple[Path, Any, Any]) -> None:
    folder, before, _ = live
    with opened(folder) as (screen, _):
        state = screen.ask(type="state")[0]
    assert state["experiment"]["mode"] == "recording"
    assert state["experiment"]["name"] == folder.name
    for name, numbers in CELLS.items():
        was, now = before["cells"][name], state["cells"][name]
        assert [scan["scan"] for scan in now["scans"]] == list(numbers)
        for key in set(was) - {"scans", "policy", "watch"}:
            assert now[key] == was[key], key
        assert now["watch"]["conditions"] == was["watch"]["conditions"]
        for key in ("mode", "max_scans", "max_scans_per_hour"):
            assert now["policy"][key] == was["policy"][key], key
        for mine, theirs in zip(now["scans"], was["scans"], strict=True):
            assert sorted(mine["maps"]) == sorted(theirs["maps"])
            # of what a scan could not have, a file says that it is unknown
            known = {key for key, value in mine.items() if key in theirs or value is not None}
            of_file = {"slices_not_recorded", "slices_late"}  # it alone knows
            assert mine["slices_not_recorded"] == mine["slices_late"] == 0
            for key in known - {"maps", "version"} - of_file:
                assert mine[key] == theirs[key], key
            assert set(theirs) <= known
    assert [request["status"] for request in state["cells"]["A"]["requests"]] == ["done"]
    assert (
        state["cells"]["A"]["table"] and state["cells"]["B"]["scans"][0]["length_unit"] == "voxel"
    )


def test_events_come_again_in_order(live: tuple[Path, Any, Any]) -> None:
    folder, before, _ = live
    with opened(folder) as (screen, _):
        events = screen.ask(type="state")[0]["events"]
        assert screen.ask(type="events", limit=1000)[0]["events"] == events
    plain = [{k: v for k, v in event.items() if k != "version"} for event in events]
    assert plain == [{k: v for k, v in e.items() if k != "version"} for e in before["events"]]
    assert {"scan_request", "scan_reply", "pit_onset", "gap", "alarm"} <= {e["type"] for e in plain}


def test_feeds_are_marked_and_counted_as_far_as_known(live: tuple[Path, Any, Any]) -> None:
    folder, before, _ = live
    with opened(folder) as (screen, _):
        state = screen.ask(type="state")[0]
    slices, documents = state["feeds"]["slices"], state["feeds"]["documents"]
    assert slices["recording"] and documents["recording"] and slices["last_time"] > 1.7e9
    counted = ("messages", "bytes", "gaps", "recovered", "bad")
    assert {k: slices[k] for k in counted} == {k: before["feeds"]["slices"][k] for k in counted}
    assert slices["gaps"] == len(LOST + RECOVERED) and slices["recovered"] == len(RECOVERED)
    assert slices["bad"] == {"not_json": 1}
    assert {k: documents[k] for k in ("messages", "readings", "bad")} == {
        k: before["feeds"]["documents"][k] for k in ("messages", "readings", "bad")
    }
    assert state["recorder"]["scans"] == 4 and state["recorder"]["folder"] == str(folder.resolve())


def test_nothing_can_be_ordered_and_what_is_not_there_is_said(live: tuple[Path, Any, Any]) -> None:
    scan, note = {"type": "request_scan", "cell": "A"}, {"type": "note", "cell": "A", "text": "x"}
    with opened(live[0]) as (screen, _):
        for order in (scan, {**scan, "suggestion": "x", "accepted": False}, note):
            reply = screen.ask(**order)[0]
            assert reply["status"] == "refused" and "recording" in reply["why"]
        for request, why in (
            ({"type": "map", "cell": "A", "scan": 9, "name": "height"}, "does not have scan 9"),
            ({"type": "map", "cell": "A", "scan": 0, "name": "interval"}, "no map interval"),
            ({"type": "section", "cell": "A", "scan": 9, "axis": "y", "index": 1}, "scan 9 is not"),
            ({"type": "section", "cell": "A", "scan": 0, "axis": "y", "index": 48}, "y = 48"),
        ):
            reply = screen.ask(**request)[0]
            assert reply["type"] == "error" and why in reply["why"]


def test_maps_stay_in_the_files_and_memory_is_bounded(live: tuple[Path, Any, Any]) -> None:
    folder, state, _ = live
    one_map = 48 * 48 * 4
    maps = [question for question in questions(state) if question["type"] == "map"]
    with opened(folder, memory_MB=2.5 * one_map / 1e6) as (screen, recorded):
        assert recorded.maps.nbytes == 0
        first = [screen.ask(**question) for question in maps]
        assert recorded.maps.nbytes == 2 * one_map
        assert [screen.ask(**question) for question in maps] == first


def test_one_broken_file_costs_one_scan(live: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(live[0], tmp_path / "broken"))
    path = folder / "A" / "scan_0001.h5"
    with path.open("r+b") as file:
        file.truncate(20_000)
    (folder / "A" / "cycler.h5").write_bytes(b"no HDF5")
    with (folder / "B" / "events.jsonl").open("ab") as file:
        file.write(b'{"kind":[]}\n{"number":1e9,\n')
    with opened(folder) as (screen, recorded):
        state = screen.ask(type="state")[0]
        assert [scan["scan"] for scan in state["cells"]["A"]["scans"]] == [0, 2]
        assert screen.ask(type="map", cell="A", scan=2, name="height")[0]["type"] == "map"
    alarms = [e for e in state["events"] if e["type"] == "alarm"][-3:]
    assert [(a["cell"], a["scan"]) for a in alarms] == [("", None), ("A", 1), ("A", None)]
    for alarm, word in zip(
        alarms, ("2 lines are damaged", "scan_0001.h5", "cycler.h5"), strict=True
    ):
        assert word in alarm["text"] and "\n" not in alarm["text"]
    assert [problem.text for problem in recorded.problems] == [alarm["text"] for alarm in alarms]


def test_a_scan_that_was_concluded_and_is_in_no_file_is_told(
    live: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(live[0], tmp_path / "lost"))
    (folder / "A" / "scan_0001.h5").unlink()
    with opened(folder) as (_, recorded):
        texts = [problem.text for problem in recorded.problems]
    assert texts == ["scan 1 of cell A was finished, but no file contains it"]


def test_a_scan_in_which_it_broke_off_and_one_that_grows(tmp_path: Path) -> None:
    made = chosen(tmp_path)
    session, recorder = Session(made), Recorder(made)
    for record in experiment(2)[:190]:
        recorder.write("test", (), record, session.feed(record))
    assert recorder.drain()
    copy = Path(shutil.copytree(recorder.folder, tmp_path / "broken-off"))
    with closing(recorder), opened(recorder.folder) as (screen, recorded):
        state = screen.ask(type="state")[0]
        running = state["cells"]["A"]["running"]
        assert (running["scan"], running["slices"]) == (1, 96) and 0 < running["received"] < 96
        assert recorded.problems == []
    with opened(copy) as (screen, _):
        state = screen.ask(type="state")[0]
        plane = screen.ask(type="section", cell="A", scan=1, axis="y", index=3)
        newest = screen.ask(type="section", cell="A", scan=None, axis="y", index=3)
    assert state["cells"]["A"]["running"] is None
    text = f"{running['received']} of 96 slices are recorded"
    assert state["events"][-1]["type"] == "alarm" and text in state["events"][-1]["text"]
    assert plane[0]["shape"] == [96, 48] and newest[1] == plane[1]
    assert [scan["scan"] for scan in state["cells"]["A"]["scans"]] == [0]


@pytest.mark.parametrize("harm", ["shape", "type", "elsewhere", "missing", "virtual"])
def test_datasets_of_another_make_are_not_read(
    live: tuple[Path, Any, Any], tmp_path: Path, harm: str
) -> None:
    folder = Path(shutil.copytree(live[0], tmp_path / harm))
    with h5py.File(folder / "A" / "scan_0001.h5", "r+") as file:
        group = file["entry/interface"]
        del group["height"]
        if harm == "shape":  # a terabyte, if it were believed
            group.create_dataset("height", (2**19, 2**19), np.float32, chunks=(64, 64))[0, 0] = 1
        elif harm == "type":
            group.create_dataset("height", data=np.zeros((48, 48), np.complex64))
        elif harm == "elsewhere":
            group["height"] = h5py.ExternalLink(
                str(live[0] / "A" / "scan_0001.h5"), "entry/interface/height"
            )
        elif harm == "virtual":
            layout = h5py.VirtualLayout((48, 48), np.float32)
            layout[:] = h5py.VirtualSource(
                str(live[0] / "A" / "scan_0000.h5"), "entry/interface/height", (48, 48)
            )
            group.create_virtual_dataset("height", layout)
    with opened(folder) as (screen, recorded):
        state = screen.ask(type="state")[0]["cells"]["A"]
    if harm == "missing":
        assert recorded.problems == []
        assert "height" not in state["scans"][1]["maps"]
    else:
        assert [scan["scan"] for scan in state["scans"]] == [0, 2]
        assert "height" in recorded.problems[0].text
