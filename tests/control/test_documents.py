"""bluesky documents of what an engine finds, as event-model checks them."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import pytest
from event_model import DocumentNames, schema_validators

from monitor.control.documents import MAPS_OF_A_FILE, CellRun, numbers_of
from monitor.control.follow import Follower
from monitor.control.publish_results import Runs, recorded_file
from monitor.processes import free_addresses
from monitor.quantities.table import SCALARS
from tests.control.engines import Engine, engine
from tests.gui.synthetic import Cell

Documents = list[tuple[str, Any]]


class Kept:
    """A sink that checks and keeps what it is given; `broken`: it refuses, as a lost server."""

    name = "the test"

    def __init__(self) -> None:
        self.documents: Documents = []
        self.broken = False

    def check(self) -> None:
        from monitor.control.publish_results import SinkLost

        if self.broken:
            raise SinkLost("the test takes nothing")

    def take(self, name: str, document: Any) -> None:
        self.check()
        schema_validators[DocumentNames[name]].validate(document)
        self.documents.append((name, document))

    def of(self, name: str) -> list[Any]:
        return [document for kind, document in self.documents if kind == name]

    def close(self) -> None:
        pass


def follow(made: Engine, runs: Runs) -> None:
    follower = Follower(made.publisher.pull_address)
    try:
        runs.update(follower.state())
    finally:
        follower.close()


def scan_file(folder: Path, number: int, run: str = "run", scan: int | None = None) -> Path:
    """A file as far as it is looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"scan_{number:04d}.h5"
    with h5py.File(path, "w") as file:
        file.create_group("entry").attrs.update(run=run, scan=number if scan is None else scan)
    return path


@pytest.fixture
def kept() -> Kept:
    return Kept()


def runs_into(kept: Kept, recording: str = "") -> tuple[Runs, list[str]]:
    said: list[str] = []
    return Runs(kept, recording, said.append), said  # type: ignore[arg-type]


def test_an_event_for_each_scan_with_every_number_and_its_unit(kept: Kept, tmp_path: Path) -> None:
    (pull,) = free_addresses(1)
    cell = Cell()
    files = [scan_file(tmp_path / "A", n) for n in range(3)]
    runs, _ = runs_into(kept)
    with engine(pull) as made:
        made.recorded_in(str(tmp_path))
        results = [cell.result(n) for n in range(3)]
        made.update(*results, cell.result(3, provisional=True))
        follow(made, runs)
        follow(made, runs)
        runs.close()
    counts = Counter(name for name, _ in kept.documents)
    maps = 3 * len(MAPS_OF_A_FILE)
    assert counts == {
        "start": 1, "descriptor": 1, "event": 3, "stop": 1,
        "stream_resource": maps, "stream_datum": maps,
    }  # fmt: skip
    (start,), (descriptor,) = kept.of("start"), kept.of("descriptor")
    assert start["cell"] == "A" and start["experiment"] == "demo"
    keys = descriptor["data_keys"]
    assert descriptor["name"] == "scans"
    for quantity in SCALARS.values():
        unit = quantity.units("µm")
        name = "scan_time" if quantity.name == "time" else quantity.key("µm")
        assert keys[name].get("units", "") == ("" if unit == "1" else unit)
    for event, result in zip(kept.of("event"), results, strict=True):
        assert event["time"] == result.start.stop_time
        assert event["data"]["scan"] == result.key.scan
        assert event["data"]["pit_count"] == len(result.pits)
        assert event["data"]["averaged_um"] == result.summary["averaged_um"]
        assert math.isnan(event["data"]["Sa_um"]), "it is not known"
        assert set(event["data"]) | set(MAPS_OF_A_FILE) == set(keys)
    uris = {doc["uri"] for doc in kept.of("stream_resource")}
    assert uris == {f"file://localhost{file}" for file in files}
    height = [d for d in kept.of("stream_resource") if d["data_key"] == "height"]
    assert [doc["parameters"]["dataset"] for doc in height] == ["entry/interface/height"] * 3


def test_a_scan_waits_for_its_file_and_the_ones_after_it_too(kept: Kept, tmp_path: Path) -> None:
    (pull,) = free_addresses(1)
    cell = Cell()
    runs, _ = runs_into(kept, str(tmp_path))
    with engine(pull) as made:
        made.update(cell.result(0), cell.result(1))
        scan_file(tmp_path / "A", 1)
        follow(made, runs)
        assert kept.of("event") == []
        scan_file(tmp_path / "A", 0)
        follow(made, runs)
        assert [event["data"]["scan"] for event in kept.of("event")] == [0, 1]


def test_without_a_recording_there_are_numbers_alone(kept: Kept) -> None:
    (pull,) = free_addresses(1)
    runs, _ = runs_into(kept)
    with engine(pull) as made:
        made.scan(1, Cell(voxel_um=None))
        follow(made, runs)
    assert {name for name, _ in kept.documents} == {"start", "descriptor", "event"}
    (event,) = kept.of("event")
    assert "averaged_voxel" in event["data"] and "averaged_um" not in event["data"]


def test_a_correction_is_an_event_of_its_own(kept: Kept) -> None:
    (pull,) = free_addresses(1)
    runs, _ = runs_into(kept)
    with engine(pull) as made:
        result = Cell().result(1)
        made.update(result)
        follow(made, runs)
        result.summary["closure"] = 0.5  # type: ignore[index]
        made.update(result)
        follow(made, runs)
    assert [d["name"] for d in kept.of("descriptor")] == ["scans", "corrections"]
    first, corrected = kept.of("event")
    assert first["data"]["scan"] == corrected["data"]["scan"] == 1
    assert corrected["data"]["closure"] == 0.5 != first["data"]["closure"]


def test_a_run_goes_from_the_first_scan_again_after_the_sink_was_lost(kept: Kept) -> None:
    (pull,) = free_addresses(1)
    cell = Cell()
    runs, said = runs_into(kept)
    with engine(pull) as made:
        made.scan(0, cell)
        follow(made, runs)
        kept.broken = True
        made.scan(1, cell)
        follow(made, runs)
        follow(made, runs)
        assert said.count("the test takes nothing") == 1
        kept.broken = False
        follow(made, runs)
    assert len({start["uid"] for start in kept.of("start")}) == 2
    assert [event["data"]["scan"] for event in kept.of("event")] == [0, 0, 1]


def test_a_recording_that_has_ended_is_published_once(kept: Kept) -> None:
    (pull,) = free_addresses(1)
    runs, _ = runs_into(kept)
    with engine(pull) as made:
        made.update(Cell().result(0), ended=True)
        for _ in range(3):
            follow(made, runs)
    assert [name for name, _ in kept.documents].count("start") == 1
    assert kept.documents[-1][0] == "stop"


def test_the_file_of_a_scan_is_found_if_another_run_has_taken_its_number(tmp_path: Path) -> None:
    scan_file(tmp_path, 4, "first")
    second = scan_file(tmp_path, 5, "second", scan=4)
    scan: Any = {"run": "second", "scan": 4}
    assert recorded_file(tmp_path, scan) == second
    assert recorded_file(tmp_path, {**scan, "run": "third"}) is None
    assert recorded_file(tmp_path / "none", scan) is None


def test_two_volumes_of_other_sizes_are_two_streams(tmp_path: Path) -> None:
    run = CellRun("A", {}, 0.0)
    facts: Any = {
        "scan": 0, "run": "r", "complete": True, "stop_time": 1.0, "length_unit": "µm",
    }  # fmt: skip
    names = []
    for shape in ((4, 5), (6, 5), (4, 5)):
        documents = list(run.scan({**facts, "shape": shape}, tmp_path / "scan_0000.h5"))
        names += [d["name"] for name, d in documents if name == "descriptor"]
    assert names == ["scans", "scans_2"]
    assert set(numbers_of(facts)) >= {"scan", "closure"}
