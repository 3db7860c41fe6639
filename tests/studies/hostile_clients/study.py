"""One run: an engine, scans, a screen that looks, and a crowd that does not mean well."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zmq

from monitor.errors import EngineUnreachable
from monitor.faraday import UM_PER_MAH_CM2
from monitor.recording.read.experiment import open_experiment
from monitor.records import CyclerDocument, Record
from monitor.settings import Settings, load
from monitor.sockets.keys import ClientKeys, make_keys, read_pair
from monitor.watch import Watcher
from monitor.wire import documents
from monitor.wire.results.queries import MapRequest, StateRequest, StatisticsRequest
from tests.core.phantom import columns, noisy, records, start
from tests.recording.synthetic import cycler_event, cycler_run, frames_of
from tests.studies.fuzz.decoders import resident_MB
from tests.studies.hostile_clients.crowd import KINDS
from tests.system.running import ROOT, engine, scans_done, write_config

SLICES = 60
WARM_UP = 0.3
LEAST_ANSWERS = 3
PATIENCE_S = 120.0


@dataclass
class Figures:
    """What came of it. `answers_s`: of the good screen; `memory_MB`: of the engine, once a second;
    `lacking`: what is not recorded, by scan."""

    scans: int = 0
    seconds: float = 0.0
    before_MB: float = 0.0
    answers_s: list[float] = field(default_factory=list)
    memory_MB: list[float] = field(default_factory=list)
    unanswered: int = 0
    lacking: list[str] = field(default_factory=list)
    crowd: Counter[str] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)

    @property
    def drift_MB(self) -> float:
        """Of the straight line through the memory after the warm-up, from its beginning to its
        end."""
        settled = np.array(self.memory_MB[int(WARM_UP * len(self.memory_MB)) :])
        return float(np.polyfit(np.linspace(0, 1, len(settled)), settled, 1)[0])

    def __str__(self) -> str:
        waits = sorted(self.answers_s)
        return (
            f"{self.scans} scans in {self.seconds:.0f} s, "
            f"not recorded: {self.lacking or 'nothing'}\n"
            f"the screen: {len(waits)} answers, median {median(waits):.3f} s, "
            f"95 % within {waits[int(0.95 * len(waits))]:.2f} s, longest {waits[-1]:.2f} s, "
            f"{self.unanswered} without one\n"
            f"memory: {self.before_MB:.0f} MB before, at most {max(self.memory_MB):.0f}, "
            f"drift {self.drift_MB:+.0f} MB\n"
            f"the crowd: {dict(self.crowd)}; told: {sorted(self.told)}"
        )


def study(
    folder: Path,
    *,
    seconds: float,
    clients: int,
    every_s: float,
    side: int = 512,
    with_keys: bool = False,
    kinds: Sequence[str] = KINDS,
) -> Figures:
    """Runs it for so long, with a scan every so often. What grows rightfully, the maps of earlier
    scans, goes to the disk from the first scan on. Raises EngineUnreachable, AssertionError."""
    files = {name: make_keys(folder / "keys", name) for name in ("engine", "screen", "viewer")}
    security = {}
    if with_keys:
        security = {
            "secret_key": str(files["engine"][1]),
            "viewers": [str(files[name][0]) for name in ("screen", "viewer")],
        }
    config = write_config(
        folder,
        requests={"backend": "none"},
        security=security,
        onset={"mode": "off"},
        results={"memory_MB": 1.0},
    )
    settings = load(config)
    server = read_pair(str(files["engine"][1]), "engine").public
    keys = ClientKeys(read_pair(str(files["screen"][1]), "screen"), server) if with_keys else None
    figures = Figures()
    beamline = _Beamline(settings, side)
    try:
        with engine(config, keys=keys) as (process, watcher):
            beamline.wait()
            beamline.scan(0)
            watcher.until(lambda s: len(scans_done(s)) == 1, PATIENCE_S, lambda: True)
            figures.before_MB = resident_MB(process.pid)
            crowd = "tests.studies.hostile_clients.crowd"
            addresses = (settings.results.pull, settings.results.status)
            command = [sys.executable, "-m", crowd, *addresses, str(clients)]
            command += [",".join(kinds)]
            if with_keys:
                command += [str(files["engine"][0]), str(files["viewer"][1])]
            crowds = [_crowd(command)]
            if with_keys:  # and as many that have none
                crowds.append(_crowd(command[:7]))
            try:
                for crowd in crowds:
                    assert crowd.stdout is not None
                    assert crowd.stdout.readline().strip() == "there"
                _run(figures, beamline, process.pid, (settings.results.pull, keys),
                     seconds=seconds, every_s=every_s)  # fmt: skip
            finally:
                for crowd in crowds:
                    said, _ = crowd.communicate("")
                    figures.crowd.update(json.loads(said.splitlines()[-1]) if said.strip() else {})
            watcher.until(lambda s: len(scans_done(s)) == figures.scans, PATIENCE_S, lambda: True)
            figures.told |= {alarm["text"] for alarm in watcher.state()["alarms"]}
    finally:
        beamline.close()
    figures.lacking = _lacking(settings.experiment.data_dir / settings.experiment.name, figures)
    return figures


def _crowd(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)


def _run(
    figures: Figures,
    beamline: _Beamline,
    process: int,
    at: tuple[str, ClientKeys | None],
    *,
    seconds: float,
    every_s: float,
) -> None:
    """Sends scans, while a screen of its own thread asks and the memory is sampled."""
    stop = threading.Event()
    screen = threading.Thread(target=_look, args=(figures, *at, stop))
    screen.start()
    begin, figures.scans = time.monotonic(), 1
    try:
        while (now := time.monotonic() - begin) < seconds or len(figures.answers_s) < LEAST_ANSWERS:
            if now >= (figures.scans - 1) * every_s:
                beamline.scan(figures.scans)
                figures.scans += 1
            figures.memory_MB.append(resident_MB(process))
            time.sleep(min(1.0, seconds / 10))
    finally:
        stop.set()
        screen.join(60)
    figures.seconds = time.monotonic() - begin


def _look(figures: Figures, pull: str, keys: ClientKeys | None, stop: threading.Event) -> None:
    """A screen: the state, a map, its numbers, five times a second."""
    watcher = Watcher(pull, keys)
    corners = ((5.0, 5.0), (50.0, 60.0))
    requests = (
        StateRequest(),
        MapRequest("A", None, "height", shape=(400, 400)),
        StatisticsRequest("A", None, "height", "rectangle", corners),
    )
    number = 0
    while not stop.wait(0.2):
        begin = time.monotonic()
        try:
            watcher.ask(requests[number % len(requests)])
        except EngineUnreachable:
            figures.unanswered += 1
            watcher.close()  # a late answer would be taken for that of the next question
            watcher = Watcher(pull, keys)
        else:
            figures.answers_s.append(time.monotonic() - begin)
        number += 1
    watcher.close()


class _Beamline:
    """The sending ends: a flat foil that gets a little thinner from scan to scan, and readings
    that cover each scan, so that none waits for them in memory."""

    def __init__(self, settings: Settings, side: int) -> None:
        self._side = side
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._slices = self._bound(settings.feeds.slices[0])
        self._documents = self._bound(settings.feeds.documents[0])

    def _bound(self, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.XPUB)
        made.setsockopt(zmq.XPUB_NODROP, 1)
        made.setsockopt(zmq.SNDTIMEO, int(1000 * PATIENCE_S))
        made.bind(address)
        return made

    def wait(self) -> None:
        """Until the engine listens; then a run of the cycler begins."""
        for socket in (self._slices, self._documents):
            assert socket.poll(60_000)
            socket.recv()
        for document in cycler_run("A"):
            self._send(document)

    def scan(self, number: int) -> None:
        """Sends a scan, and a reading before and after it."""
        bottom = np.full((self._side, self._side), 10.0)
        lost_um = 0.1 * number
        volume = noisy(columns(bottom, bottom + 30.0 - lost_um, SLICES))
        begin = start(volume.shape, scan=number)
        begin = replace(begin, msg_number=number * (begin.slice_count + 2))
        charge_mAh = lost_um / UM_PER_MAH_CM2
        for count, time_s in enumerate((begin.start_time, begin.stop_time + 1.0)):
            self._send(cycler_event("A", time_s, charge_mAh, 2 * number + count + 1))
        for record in records(begin, volume):
            frames: Any = frames_of(record)
            self._slices.send_multipart(frames)

    def _send(self, document: Record) -> None:
        assert isinstance(document, CyclerDocument)
        self._documents.send(documents.encode(document, "msgpack"))

    def close(self) -> None:
        self._context.destroy(linger=0)


def _lacking(folder: Path, figures: Figures) -> list[str]:
    scans = open_experiment(folder).cells["A"].scans
    found = [f"scan {n}" for n in set(range(figures.scans)) - {scan.number for scan in scans}]
    for scan in scans:
        missing = int(np.count_nonzero(scan.ledger() == 0))
        unkept = int(np.count_nonzero(scan.order() < 0))
        if missing or unkept or not scan.complete:
            found.append(f"scan {scan.number}: {missing} slices missing, {unkept} not kept")
    return found
