"""Scans that bear a number twice, slices out of order, a scan in two streams, an experiment made
again: sent by a producer written from the contract, with the engine killed on the way."""

from __future__ import annotations

import functools
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zmq

from monitor.settings import load
from monitor.watch import Watcher
from monitor.wire.results.queries import ScanOrder
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S, eventually
from tests.system import contract_producer
from tests.system.contract_producer import SHAPE
from tests.system.running import ROOT, engine, launch, scans_done, write_config
from tests.system.test_restart import engine as killable

LATER_S = 1200.0
SHUFFLED = [8 * block + index for block in range(12) for index in (3, 1, 0, 2, 7, 5, 4, 6)]
CELLS = [{"name": name, "foil_thickness_um": 45.0} for name in "ABCD"]


volume = functools.cache(contract_producer.volume)


class Producer:
    """An XPUB that sends headers, slices and ends as JSON; each stream counts its messages."""

    def __init__(self, address: str) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        self._socket.bind(address)
        self._numbers: dict[str, Any] = {}

    def connected(self) -> None:
        while self._socket.recv()[:1] != b"\x01":
            pass

    def number(self, stream: str) -> int:
        return next(self._numbers.setdefault(stream, itertools.count()))

    def send(self, cell: str, stream: str, scan: int, *buffer: bytes, **header: Any) -> None:
        header = {"cell": cell, "stream": stream, "scan": scan, **header}
        if "msg_number" not in header:
            header["msg_number"] = self.number(stream)
        self._socket.send_multipart([json.dumps(header).encode(), *buffer])

    def begin(self, cell: str, stream: str, scan: int, start: float, **header: Any) -> None:
        header = {"axis": "z", "volume_shape": SHAPE, "type": "uint16",
                  "voxel_size_um": [1, 1, 1], "reason": "periodic", **header}  # fmt: skip
        times = {"start_time": start, "stop_time": start + 60}
        self.send(cell, stream, scan, htype="header", **times, **header)

    def slices(self, cell: str, stream: str, scan: int, frames: Any) -> None:
        for frame in frames:
            self.send(cell, stream, scan, volume(scan)[frame].tobytes(), htype="image", frame=frame,
                      shape=SHAPE[1:], type="uint16", compression="none")  # fmt: skip

    def shuffled(self, cell: str, stream: str, scan: int, order: list[int]) -> None:
        """Each slice has the number that it would have in order."""
        first = [self.number(stream) for _ in order]
        for frame in order:
            self.send(cell, stream, scan, volume(scan)[frame].tobytes(), htype="image", frame=frame,
                      shape=SHAPE[1:], type="uint16", msg_number=first[frame])  # fmt: skip

    def end(self, cell: str, stream: str, scan: int, count: int = SHAPE[0]) -> None:
        self.send(cell, stream, scan, htype="series_end", slices=count)

    def whole(self, cell: str, stream: str, scan: int, start: float, **header: Any) -> None:
        self.begin(cell, stream, scan, start, **header)
        self.slices(cell, stream, scan, range(SHAPE[0]))
        self.end(cell, stream, scan)

    def close(self) -> None:
        self._context.destroy(linger=0)


def until(watcher: Watcher, what: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def look(state: dict[str, Any]) -> bool:
        found[:] = [state]
        return bool(what(state))

    watcher.until(look, PATIENCE_S, lambda: True)
    return found[0]


def slices_in(part: Path) -> int:
    """How many slices of a scan that is being recorded can be read from its file."""
    try:
        with h5py.File(part, "r", swmr=True) as file:
            return int(np.count_nonzero(file["entry/ledger/order"][()] >= 0))
    except (OSError, KeyError):
        return 0


def numbers(state: dict[str, Any], cell: str) -> list[int]:
    return [scan["scan"] for scan in scans_done(state, cell)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The state at the end, and the recording."""
    folder = tmp_path_factory.mktemp("namesakes")
    config = write_config(folder, cells=CELLS, requests={"backend": "none"})
    settings = load(config)
    producer = Producer(settings.feeds.slices[0])
    try:
        with killable(config) as (process, watcher):
            producer.connected()
            producer.whole("A", "a", 0, 0.0, reason="reference")
            producer.begin("A", "a", 1, 1800.0)
            producer.slices("A", "a", 1, range(48))
            producer.whole("B", "b1", 0, 0.0)
            producer.whole("B", "b1", 1, 1800.0)
            producer.begin("A", "a", 1, 1800.0 + LATER_S)
            producer.slices("A", "a", 1, range(30))
            producer.whole("B", "b2", 0, 7200.0)
            state = until(watcher, lambda s: numbers(s, "B") == [0, 1, 10_000])
            assert numbers(state, "A") == [0, 1]
            # both are flushed once a second
            eventually(lambda: slices_in(folder / "runs/demo/A/scan_10001.h5.part") == 30)
            journal = folder / "runs/demo/journal.jsonl"
            sent = 98 + 49 + 31 + 3 * 98
            eventually(lambda: journal.read_bytes().count(b'"feed":"slices"') >= sent)
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_S)
        with engine(config) as (_, watcher):
            producer.connected()
            until(watcher, lambda s: numbers(s, "B") == [0, 1, 10_000])
            producer.slices("A", "a", 1, range(30, 96))
            producer.end("A", "a", 1)
            producer.whole("A", "a", 2, 7200.0)
            producer.whole("B", "b2", 1, 9000.0)
            for scan in range(3):
                producer.begin("C", "c", scan, 1800.0 * scan)
                producer.shuffled("C", "c", scan, SHUFFLED)
                producer.end("C", "c", scan)
            producer.begin("D", "d1", 0, 0.0)
            producer.begin("D", "d2", 0, 0.0)
            producer.slices("D", "d1", 0, range(48))
            producer.end("D", "d1", 0, 48)
            until(watcher, lambda s: numbers(s, "C") == [0, 1, 2])
            time.sleep(3.0)  # longer than feeds.quiet_s
            producer.slices("D", "d2", 0, range(48, 96))
            producer.end("D", "d2", 0, 48)
            state = until(watcher, lambda s: numbers(s, "D") == [0] and numbers(s, "A")[-1:] == [2])
    finally:
        producer.close()
    (recording,) = (folder / "runs").iterdir()
    return state, recording


def true_removal(scan: int) -> float:
    y, x = np.mgrid[:64, :64]
    dome = np.sqrt(np.clip(100.0 - (y - 30) ** 2 - (x - 25) ** 2, 0, None))
    return float((1.3 + 0.8 * dome).mean() * scan)


def told(state: dict[str, Any], kind: str, cell: str) -> list[dict[str, Any]]:
    return [e for e in state["events"] if e["type"] == kind and e["cell"] == cell]


def test_a_scan_that_was_stopped_and_made_again_is_measured_as_itself(played: Any) -> None:
    state, _ = played
    zero, half, whole, last = scans_done(state, "A")
    assert [scan["scan"] for scan in (zero, half, whole, last)] == [0, 1, 10_001, 2]
    assert [scan["sent"] for scan in (zero, half, whole, last)] == [0, 1, 1, 2]
    assert [scan["complete"] for scan in (zero, half, whole, last)] == [True, False, True, True]
    assert whole["start_time"] == 1800.0 + LATER_S
    assert whole["averaged_um"] == pytest.approx(true_removal(1), abs=0.1)
    assert last["averaged_um"] == pytest.approx(true_removal(2), abs=0.1)


def test_a_producer_that_counts_again_loses_nothing(played: Any) -> None:
    state, _ = played
    scans = scans_done(state, "B")
    assert [scan["scan"] for scan in scans] == [0, 1, 10_000, 10_001]
    assert [scan["start_time"] for scan in scans] == [0.0, 1800.0, 7200.0, 9000.0]
    assert all(scan["complete"] for scan in scans)
    assert scans[-1]["averaged_um"] == pytest.approx(true_removal(1), abs=0.1)
    assert state["feeds"]["slices"]["repeats"] == state["feeds"]["slices"]["late"] == 0


def test_both_are_alarms_in_plain_words(played: Any) -> None:
    state, recording = played
    for cell, here, first in (("A", 10_001, "00:30:00"), ("B", 10_000, "00:00:00")):
        texts = [alarm["text"] for alarm in state["cells"][cell]["alarms"]]
        (text,) = [text for text in texts if f"as scan {here};" in text]
        assert f"1970-01-01 {first} UTC" in text
        written = (recording / cell / "events.jsonl").read_text()
        assert text in [json.loads(line)["data"].get("text") for line in written.splitlines()]


def test_slices_out_of_order_are_no_gap(played: Any) -> None:
    state, recording = played
    assert all(scan["complete"] for scan in scans_done(state, "C"))
    assert state["feeds"]["slices"]["gaps"] == 0
    for events in recording.rglob("events.jsonl"):
        kinds = [json.loads(line)["kind"] for line in events.read_text().splitlines()]
        assert "gap" not in kinds


def test_a_scan_that_came_in_two_streams_is_whole(played: Any) -> None:
    state, _ = played
    (scan,) = scans_done(state, "D")
    assert scan["complete"]


def test_the_recording_verifies_replays_and_reports(played: Any, tmp_path: Path) -> None:
    _, recording = played
    files = {path.name for path in (recording / "A").glob("scan_*")}
    assert files == {"scan_0000.h5", "scan_0001.h5", "scan_0002.h5", "scan_10001.h5"}
    verified = launch("verify", str(recording), "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["findings"] == []
    replayed = launch("replay", str(recording), "--headless", "--out", str(tmp_path))
    assert replayed.returncode == 0, replayed.stderr
    (again,) = tmp_path.iterdir()
    for path in sorted(recording.glob("*/scan_*.h5")):
        with h5py.File(path) as one, h5py.File(again / path.parent.name / path.name) as two:
            for name in ("interface/height", "interface/removal", "ledger/received"):
                np.testing.assert_array_equal(one[f"entry/{name}"][()], two[f"entry/{name}"][()])
            assert dict(one["entry"].attrs)["scan"] == dict(two["entry"].attrs)["scan"]
    for cell in "ABCD":
        assert _events(recording / cell) == _events(again / cell)
    reported = launch("report", str(recording), "--json")
    assert reported.returncode == 0, reported.stderr
    scans = json.loads(reported.stdout)["cells"]["A"]["scans"]
    assert [scan["scan"] for scan in scans] == [0, 1, 10_001, 2]


def _events(folder: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "crc32"} for line in lines]


def test_an_experiment_made_again_asks_with_other_ids(tmp_path: Path) -> None:
    """`mailbox.py` runs on, and answers again what it has answered."""
    config = write_config(tmp_path, cells=CELLS[:1])
    settings = load(config)
    mailbox = subprocess.Popen(
        [sys.executable, str(ROOT / "docs/examples/mailbox.py"), settings.requests.endpoint],
        stdout=subprocess.PIPE,
        text=True,
    )
    producer = Producer(settings.feeds.slices[0])
    ids, made = [], []
    try:
        for number in range(2):
            with engine(config) as (_, watcher):
                producer.connected()
                producer.whole("A", f"s{number}", 0, 7200.0 * number)
                until(watcher, lambda s: numbers(s, "A") == [0])
                asked, _ = watcher.ask(ScanOrder("A"))
                assert asked["status"] == "sent"
                state = until(
                    watcher,
                    lambda s: [r["status"] for r in s["cells"]["A"]["requests"]] == ["done"],
                )
                ids.append(state["cells"]["A"]["requests"][0]["id"])
            assert mailbox.stdout is not None
            made.append(mailbox.stdout.readline().split()[-1])
    finally:
        producer.close()
        mailbox.terminate()
        mailbox.communicate(timeout=PATIENCE_S)
    assert len(set(ids)) == 2
    assert made == ids, "each was a scan of its own"
    folders = sorted((tmp_path / "runs").iterdir())
    replayed = launch("replay", str(folders[1]), "--headless", "--out", str(tmp_path / "again"))
    assert replayed.returncode == 0, replayed.stderr
    (again,) = (tmp_path / "again").iterdir()
    assert _events(again / "A") == _events(folders[1] / "A")
