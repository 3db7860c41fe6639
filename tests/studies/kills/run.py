"""One run of the beamline before an engine that is killed so many times, or not at all."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from monitor.core.policy.rules import CHARGE_RULES
from monitor.errors import EngineUnreachable
from monitor.processes import free_addresses
from monitor.settings import load
from monitor.watch import Watcher
from tests.studies.kills.beamline import CELLS, Beamline, documents_of
from tests.system.running import PROGRAM, scans_done, write_config

START_S, END_S = 180.0, 180.0
HOW_IT_CAME = (
    "entry/ledger/received",
    "entry/ledger/order",
    "entry/summary/slices_recovered",
)
DECISIONS = ("decision", "pit_onset", "scan_request")
NUMBERS = ("scan_complete", "scan_corrected")


class Engine:
    """The engine's process, and whoever watches it."""

    def __init__(self, config: Path) -> None:
        command = [sys.executable, str(PROGRAM), "engine", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.watcher = Watcher(load(config).results.pull)
        self.watcher.until(lambda s: bool(s["feeds"]), START_S, self._alive)

    def _alive(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, met: Callable[[dict[str, Any]], bool], patience_s: float = END_S) -> None:
        """Raises EngineUnreachable, with what the engine said last."""
        try:
            self.watcher.until(met, patience_s, self._alive)
        except EngineUnreachable as error:
            if not self._alive():
                said = self.process.communicate()[1]
                raise EngineUnreachable(f"the engine ended: {said[-2000:]}") from None
            state = self.watcher.state()
            cells = {
                name: ([scan["scan"] for scan in scans_done(state, name)], cell["running"])
                for name, cell in state["cells"].items()
            }
            raise EngineUnreachable(f"{error}; {cells}, {state['feeds']}") from None

    def wait_until_all_is_written(self, scans: int, patience_s: float = END_S) -> None:
        """Until so many scans and all readings of each cell are taken, and are on the disk."""
        readings = {
            cell: sum(document.name == "event" for document in documents_of(cell, scans))
            for cell in CELLS
        }

        def is_taken(state: dict[str, Any]) -> bool:
            return all(
                len(scans_done(state, cell)) == scans
                and state["cells"][cell]["cycler_points"] == count
                for cell, count in readings.items()
            )

        self.wait_for(is_taken, patience_s)
        self.wait_for(lambda s: not (s.get("recorder") or {}).get("queued_bytes"))

    def kill(self) -> None:
        """SIGKILL: nothing is written or said any more."""
        self.process.kill()
        self._end()

    def stop(self) -> None:
        self.process.terminate()
        self._end()

    def _end(self) -> None:
        self.process.communicate(timeout=END_S)
        self.watcher.close()


class Producer:
    """The beamline's process; what it has finished stands in a file."""

    def __init__(self, folder: Path, arguments: tuple[object, ...]) -> None:
        self._progress = folder / "progress"
        self._command = [sys.executable, "-m", "tests.studies.kills.producer", *map(str, arguments)]
        self._command.append(str(self._progress))
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)

    @property
    def finished(self) -> int:
        return int(self._progress.read_text()) if self._progress.exists() else 0

    def kill(self) -> None:
        """SIGKILL, and another session begins."""
        self._process.kill()
        self._process.wait()
        self._start()

    def close(self) -> None:
        self._process.communicate(b"", timeout=END_S)


def run_with_killed_producer(
    folder: Path, *, scans: int, scan_s: float, kills: int, seed: int = 1, every_s: float = 3.0
) -> Path:
    """The same with the producer killed instead of the engine, and a screen beside them, which is
    killed as often. Raises EngineUnreachable."""
    config, resend = _config(folder)
    feeds, results = load(config).feeds, load(config).results
    chance = random.Random(seed)
    engine = Engine(config)
    producer = Producer(folder, (feeds.slices[0], resend, feeds.documents[0], scans, scan_s))
    screen = _screen(results.pull, results.status)
    try:
        for _ in range(kills):
            time.sleep(every_s * 2 * chance.random())
            producer.kill()
            screen.kill()
            screen.wait()
            screen = _screen(results.pull, results.status)
        # what had not been sent when the last one was killed
        engine.wait_until_all_is_written(scans, 2 * len(CELLS) * scans * scan_s + END_S)
    finally:
        screen.kill()
        screen.wait()
        engine.stop()
        producer.close()
    return folder / "runs" / "demo"


def _screen(pull: str, status: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tests.studies.benchmarks.screen_probe",
        pull,
        status,
        "100000",
    ]
    command.append("plain")
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _config(folder: Path) -> tuple[Path, str]:
    """Settings of both cells, and the address at which lost slices are asked for."""
    folder.mkdir()
    cells = [{"name": name, "foil_thickness_um": 80.0, "electrode_area_cm2": 0.2} for name in CELLS]
    (resend,) = free_addresses(1)
    feeds = {"resend": [resend], "give_up_s": 120.0}
    return write_config(folder, cells=cells, requests={"backend": "none"}, feeds=feeds), resend


def run(
    folder: Path,
    *,
    scans: int,
    scan_s: float,
    kills: int,
    seed: int = 1,
    every_s: float = 3.0,
    say: Callable[[str], None] = lambda text: None,
) -> Path:
    """The folder of the recording after all scans have come. Raises EngineUnreachable."""
    config, resend = _config(folder)
    feeds = load(config).feeds
    chance = random.Random(seed)
    engine = Engine(config)
    beamline = Beamline(feeds.slices[0], resend, feeds.documents[0], scans, scan_s)
    try:
        time.sleep(1.5)
        beamline.begin()
        for number in range(kills):
            time.sleep(every_s * 2 * chance.random())
            engine.kill()
            engine = Engine(config)
            if (number + 1) % 10 == 0:
                say(f"{number + 1} kills, all slices sent: {beamline.done.is_set()}")
        if not beamline.done.wait(scans * 2 * scan_s * 3 + 60):
            raise EngineUnreachable("the beamline did not come to its end")
        engine.wait_until_all_is_written(scans)
    finally:
        engine.stop()
        beamline.close()
    return folder / "runs" / "demo"


def differences(one: Path, two: Path, scans: int) -> list[str]:
    """What differs between two recordings, apart from how slices came."""
    found: list[str] = []
    for cell in CELLS:
        for scan in range(scans):
            name = f"{cell}/scan_{scan:04d}.h5"
            found += [f"{name}: {text}" for text in _datasets(one / name, two / name)]
        found += [f"{cell}/cycler.h5: {t}" for t in _datasets(*_both(one, two, cell, "cycler.h5"))]
        ours, theirs = (_decisions(folder / cell / "events.jsonl") for folder in (one, two))
        if ours != theirs:
            found.append(f"{cell}/events.jsonl: {len(ours)} and {len(theirs)} decisions differ")
    kept = {str(p.relative_to(two)) for p in two.rglob("*") if ".part" in p.name}
    return found + [f"{name} was left behind" for name in sorted(kept)]


def _both(one: Path, two: Path, *names: str) -> tuple[Path, Path]:
    return one.joinpath(*names), two.joinpath(*names)


def _datasets(one: Path, two: Path) -> list[str]:
    if not two.exists():
        return ["is not there"]
    with h5py.File(one) as first, h5py.File(two) as second:
        ours, theirs = _contents(first), _contents(second)
    names = sorted(ours.keys() | theirs.keys())
    return [f"{name} differs" for name in names if ours.get(name) != theirs.get(name)]


def _contents(file: h5py.File) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name not in HOW_IT_CAME:
            found[name] = np.asarray(item[()]).tobytes()

    file.visititems(take)
    return found


def _decisions(path: Path) -> list[tuple[str, str]]:
    """Kinds and data of what was decided, each once and in order; then the numbers of each scan, as
    they were told last: a new engine may be sent slices before the readings that belong to them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    told = []
    for line in lines:
        data = line["data"]
        if line["kind"] in DECISIONS:
            # ids are those of the recording
            data |= {key: bool(data[key]) for key in ("id", "request") if key in data}
            known = {k: v for k, v in data.get("findings", {}).items() if k not in CHARGE_RULES}
            told.append((line["kind"], json.dumps(data | {"findings": known}, sort_keys=True)))
    numbers: dict[int, dict[str, Any]] = {}
    for line in lines:
        if line["kind"] in NUMBERS:
            numbers.setdefault(line["data"]["scan"], {}).update(line["data"], changed=None)
    return told + [("numbers", json.dumps(data, sort_keys=True)) for data in numbers.values()]
