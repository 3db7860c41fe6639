"""A bad network between producer and engine. What is lost is asked for again, and the maps are
those of a clean run, bit for bit; or every hole is declared, and no height is wrong by more than it
says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from monitor.errors import EngineUnreachable
from monitor.processes import free_addresses
from monitor.settings import load
from monitor.watch import Watcher
from tests.helpers.waiting import PATIENCE_S, on_disk
from tests.system.faults import SHAPE, Faults, Network, Producer, Records, scan
from tests.system.running import engine, launch, scans_done, write_config
from tests.system.test_restart import engine as engine_to_kill

SCANS = 3
CELLS = [{"name": "A", "foil_thickness_um": 120.0, "electrode_area_cm2": 0.2}]
BAD: dict[str, Any] = {"lose": 0.05, "repeat": 0.05, "shuffle": 30, "garbage": 0.02}
EVERY_S = 0.003
NOT_COMPARED = (
    "entry/ledger/received",
    "entry/ledger/order",
    "entry/summary/slices_recovered",
)


class Beamline:
    """A producer of three scans behind a network, and the settings of an engine before it.
    `resend`: lost slices are asked for again."""

    def __init__(self, folder: Path, faults: Faults, *, resend: bool) -> None:
        inner, service = free_addresses(2)
        self.folder = folder
        self.scans = [scan(number, service) for number in range(SCANS)]
        feeds = {"resend": [service] if resend else "off"}
        self.config = write_config(folder, cells=CELLS, requests={"backend": "none"}, feeds=feeds)
        self.network = Network(inner, load(self.config).feeds.slices[0], faults)
        self.producer = Producer(inner, service)

    def send(self, messages: Records) -> None:
        self.producer.send(messages, EVERY_S)

    def ledger(self, number: int) -> np.ndarray:
        with h5py.File(self.file(number)) as file:
            return np.asarray(file["entry/ledger/received"][()])

    def file(self, number: int) -> Path:
        return self.folder / "runs" / "demo" / "A" / f"scan_{number:04d}.h5"

    def close(self) -> None:
        self.producer.close()
        self.network.close()


@contextmanager
def beamline(folder: Path, faults: Faults, *, resend: bool = True) -> Iterator[Beamline]:
    made = Beamline(folder, faults, resend=resend)
    try:
        yield made
    finally:
        made.close()


def until(watcher: Watcher, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    try:
        return watcher.until(met, PATIENCE_S, lambda: True)
    except EngineUnreachable:
        state = watcher.state()
        pytest.fail(f"{state['feeds']} {state['cells']['A']['running']} {scans_done(state)}")


def all_done(state: dict[str, Any]) -> bool:
    return len(scans_done(state)) == SCANS


def run(line: Beamline) -> dict[str, Any]:
    """All scans through a real engine; its last state."""
    with engine(line.config) as (_, watcher):
        line.network.joined()
        for messages in line.scans:
            line.send(messages)
        return until(watcher, all_done)


def computed(path: Path) -> dict[str, bytes]:
    """Every dataset of a scan's file, but for how its slices came."""
    found: dict[str, bytes] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name not in NOT_COMPARED:
            found[name] = np.asarray(item[()]).tobytes()

    with h5py.File(path) as file:
        file.visititems(take)
    assert len(found) > 60
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of the scans of a run over a good network."""
    with beamline(tmp_path_factory.mktemp("clean"), Faults()) as line:
        slices = run(line)["feeds"]["slices"]
        assert (slices["gaps"], slices["recovered"], slices["bad"]) == (0, 0, {})
        assert all((line.ledger(number) == 1).all() for number in range(SCANS))
        return [line.file(number) for number in range(SCANS)]


@pytest.mark.parametrize("seed", [1, 2])
def test_with_resend_the_maps_are_those_of_the_clean_run(
    tmp_path: Path, clean: list[Path], seed: int
) -> None:
    faults = Faults(**BAD, seed=seed)
    with beamline(tmp_path, faults) as line:
        state = run(line)
    recovered = [np.flatnonzero(line.ledger(number) == 2).tolist() for number in range(SCANS)]
    assert len(faults.lost) > 20
    for number in range(SCANS):
        assert line.ledger(number).all()
        assert {h["frame"] for h in faults.lost if h["scan"] == number and "frame" in h} <= set(
            recovered[number]
        )
        assert computed(line.file(number)) == computed(clean[number])
    slices = state["feeds"]["slices"]
    assert slices["recovered"] == sum(map(len, recovered))
    assert slices["gaps"] == faults.gaps, "lost on the way, recovered or not"
    assert sum(slices["bad"].values()) > 5
    told = [scan["slices_recovered"] for scan in scans_done(state)]
    assert told == [len(found) for found in recovered]
    _replays_bit_for_bit(line, tmp_path / "again")


def _replays_bit_for_bit(line: Beamline, again: Path) -> None:
    """Also which slices were recovered, and every event."""
    recording = line.file(0).parent.parent
    replay = launch("replay", str(recording), "--headless", "--out", str(again))
    assert replay.returncode == 0, replay.stderr
    for number in range(SCANS):
        mine, other = line.file(number), again / "demo" / "A" / line.file(number).name
        assert computed(mine) == computed(other)
        with h5py.File(mine) as one, h5py.File(other) as two:
            for name in NOT_COMPARED:
                assert np.array_equal(one[name][()], two[name][()])
    assert (recording / "A" / "events.jsonl").read_bytes() == (
        again / "demo" / "A" / "events.jsonl"
    ).read_bytes()


@pytest.mark.parametrize("seed", [1, 5])
def test_without_resend_every_hole_is_declared_and_no_height_is_wrong_by_more_than_it_says(
    tmp_path: Path, clean: list[Path], seed: int
) -> None:
    # a scan whose header is lost is not known at all
    faults = Faults(**BAD, seed=seed, spare=lambda header: header["htype"] == "header")
    with beamline(tmp_path, faults, resend=False) as line:
        state = run(line)
    assert state["feeds"]["slices"]["recovered"] == 0
    for number, told in enumerate(scans_done(state)):
        missing = np.flatnonzero(line.ledger(number) == 0).tolist()
        assert missing == faults.frames_lost(number)
        assert told["slices_missing"] == len(missing) > 3 and not told["complete"]
        with h5py.File(line.file(number)) as mine, h5py.File(clean[number]) as true:
            height, error, expected = (
                file[f"entry/interface/{name}"][()]
                for file, name in ((mine, "height"), (mine, "height_error"), (true, "height"))
            )
        known = np.isfinite(height)
        assert known.mean() > 0.9
        wrong = np.abs(height - expected)[known] / error[known]
        assert (wrong < 5).mean() >= 0.999
        assert np.isnan(error[~known]).all()


def test_an_engine_that_joins_late_gets_the_running_scan_from_its_start(
    tmp_path: Path, clean: list[Path]
) -> None:
    with beamline(tmp_path, Faults()) as line:
        first, second, third = line.scans
        line.send(first[:150])
        with engine(line.config) as (_, watcher):
            line.network.joined()
            line.send([*first[150:], *second, *third])
            state = until(watcher, all_done)
    assert np.flatnonzero(line.ledger(0) == 2).size >= 149
    assert state["feeds"]["slices"]["gaps"] == 0, "who joins late has lost nothing"
    for number in range(SCANS):
        assert computed(line.file(number)) == computed(clean[number])


@pytest.mark.parametrize("at", [40, 200, SHAPE[0] + 2])
def test_a_killed_engine_goes_on_and_asks_for_what_it_missed(
    tmp_path: Path, clean: list[Path], at: int
) -> None:
    """In the middle of the second scan; the third time what is missed is the end of that scan."""
    with beamline(tmp_path, Faults(**BAD, seed=4)) as line:
        first, second, third = line.scans
        with engine_to_kill(line.config) as (process, watcher):
            line.network.joined()
            line.send([*first, *second[: at - 30]])
            until(watcher, lambda s: (s["cells"]["A"]["running"] or {}).get("scan") == 1)
            on_disk(watcher, line.file(0).parents[1])
            process.kill()
            process.wait(PATIENCE_S)
        line.send(second[at - 30 : at])
        with engine(line.config) as (_, watcher):
            line.network.joined()
            line.send([*second[at:], *third])
            until(watcher, all_done)
    for number in range(SCANS):
        assert line.ledger(number).all()
        assert computed(line.file(number)) == computed(clean[number])


def test_a_scan_that_was_sent_while_no_engine_ran_is_asked_for(
    tmp_path: Path, clean: list[Path]
) -> None:
    """All of it: that it was sent is told by the number that the next scan leaves out."""
    with beamline(tmp_path, Faults()) as line:
        first, second, third = line.scans
        with engine_to_kill(line.config) as (process, watcher):
            line.network.joined()
            line.send(first)
            until(watcher, lambda s: len(scans_done(s)) == 1)
            on_disk(watcher, line.file(0).parents[1])
            process.kill()
            process.wait(PATIENCE_S)
        line.send(second)
        with engine(line.config) as (_, watcher):
            line.network.joined()
            line.send(third)
            until(watcher, all_done)
    for number in range(SCANS):
        assert line.ledger(number).all()
        assert computed(line.file(number)) == computed(clean[number])


@pytest.mark.parametrize(
    ("late", "killed"),
    [(0, False), (60, False), (60, True), (SHAPE[0] + 2, False)],
    ids=["between", "in the next", "twice", "after the next"],
)
def test_an_engine_killed_before_the_first_scan_gets_it_before_the_next(
    late: int, killed: bool, tmp_path: Path, clean: list[Path]
) -> None:
    """Else the next would be the reference. The engine goes on between the two scans, or when
    `late` messages of the next have been sent (all of them: it was off for two scans), and may be
    `killed` once more in that."""
    with beamline(tmp_path, Faults()) as line:
        first, second, third = line.scans
        with engine_to_kill(line.config) as (process, _):
            line.network.joined()
            process.kill()
            process.wait(PATIENCE_S)
        line.send([*first, *second[:late]])
        if killed:
            with engine_to_kill(line.config) as (process, watcher):
                line.network.joined()
                line.producer.send(second[late : late + 60], 0.0)
                until(watcher, lambda s: s["feeds"]["slices"]["messages"] >= 60)
                process.kill()
                process.wait(PATIENCE_S)
            late += 60
        with engine(line.config) as (_, watcher):
            line.network.joined()
            line.producer.send([*second[late:], *third], 0.0)
            until(watcher, all_done)
    for number in range(SCANS):
        assert line.ledger(number).all()
        assert computed(line.file(number)) == computed(clean[number])


def test_what_nobody_has_any_more_is_a_hole_and_holds_nothing_up(tmp_path: Path) -> None:
    faults = Faults(lose=0.05, seed=6, spare=lambda header: header["htype"] != "image")
    with beamline(tmp_path, faults) as line:
        line.producer.service.keep = lambda record, frames: None
        state = run(line)
    for number, told in enumerate(scans_done(state)):
        assert np.flatnonzero(line.ledger(number) == 0).tolist() == faults.frames_lost(number)
        assert told["slices_missing"] > 0 and told["slices_recovered"] == 0
