"""Readings are taken before the slices that need them; what is left out, joined or late is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zmq

from monitor.errors import EngineUnreachable
from monitor.processes import free_addresses
from monitor.sources.feeds import delivery as taken_module
from monitor.sources.feeds.delivery import find_engine
from monitor.sources.publish import publish
from monitor.sources.volumes.volume import Volume, open_volumes
from tests.helpers.waiting import eventually
from tests.sources.cyclers.eclab.mpt_files import mpt_text

FIRST = 1704884549.886  # 2024-01-10 11:02:29.886 UTC

pytestmark = pytest.mark.slow  # each starts a proxy


class Engine:
    """Takes documents and slices one after the other as an engine does, slowly; tells its count."""

    def __init__(self, *, pause_s: float, counts: bool = True) -> None:
        self.slices, self.into, self.out, self.pull = free_addresses(4)
        self.heard: list[tuple[str, Any]] = []
        self._pause_s, self._counts = pause_s, counts
        self._documents = 0
        self.mode = "live"
        self._context = zmq.Context()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._work, self._answer)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        documents, slices = (self._context.socket(zmq.SUB) for _ in range(2))
        for socket, address in ((documents, self.out), (slices, self.slices)):
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.setsockopt(zmq.RCVHWM, 100_000)
            socket.connect(address)
        poller = zmq.Poller()
        poller.register(documents)
        poller.register(slices)
        while not self._ended.is_set():
            ready = dict(poller.poll(50))
            if slices in ready:
                header = json.loads(slices.recv_multipart()[0])
                self.heard.append((header["htype"], header))
            elif documents in ready:
                name = documents.recv().split(b" ", 2)[1].decode()
                time.sleep(self._pause_s)
                self._documents += 1
                self.heard.append((name, None))
        documents.close(0)
        slices.close(0)

    def _answer(self) -> None:
        with self._context.socket(zmq.ROUTER) as router:
            router.linger = 0
            router.bind(self.pull)
            while not self._ended.is_set():
                if router.poll(50):
                    who, _ = router.recv_multipart()
                    count = self._documents if self._counts else 0
                    state = {
                        "type": "state",
                        "version": 1,
                        "engine": "e",
                        "experiment": {"mode": self.mode},
                        "feeds": {"documents": {"messages": count}},
                        "settings": {"slices": [self.slices]},
                    }
                    router.send_multipart([who, json.dumps(state).encode()])

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._context.term()

    def until(self, kind: str, count: int = 1) -> None:
        eventually(lambda: sum(name == kind for name, _ in self.heard) >= count)


@pytest.fixture
def engines() -> Iterator[Any]:
    made: list[Engine] = []

    def start(**options: Any) -> Engine:
        made.append(Engine(**options))
        return made[-1]

    yield start
    for engine in made:
        engine.close()


@pytest.fixture
def volumes(tmp_path: Path) -> list[Volume]:
    rng = np.random.default_rng(1)
    for index in range(3):
        data = rng.integers(1, 200, (5, 12, 9), np.uint8)
        tifffile.imwrite(tmp_path / f"step_{index}.tif", data, photometric="minisblack")
    return open_volumes([tmp_path / f"step_{index}.tif" for index in range(3)])


def send(at: Engine, volumes: list[Volume], cycler: Any, **options: Any) -> list[str]:
    """Publishes, and returns the lines that the operator reads."""
    said: list[str] = []
    publish(
        volumes,
        endpoint=at.slices,
        cycler=cycler,
        documents_in=at.into,
        documents_out=at.out,
        progress=lambda text, sent, _total: said.append(text) if not sent else None,
        **options,
    )
    at.until("series_end", len(volumes))
    return said


@pytest.mark.parametrize("pause_s", [0.0, 0.004])
@pytest.mark.parametrize("interval_s", [400.0, 1000.0])
def test_readings_up_to_a_scan_are_taken_before_its_slices(
    pause_s: float, interval_s: float, engines: Any, volumes: list[Volume], tmp_path: Path
) -> None:
    """More readings than the proxy keeps (1000), into an engine that takes its time."""
    (path := tmp_path / "cycler.mpt").write_bytes(mpt_text(rows=1500, step_s=1.0))
    engine = engines(pause_s=pause_s)
    send(engine, volumes, path, engine=engine.pull, scan_interval_s=interval_s)
    engine.until("stop")
    names = [name for name, _ in engine.heard]
    headers = [i for i, name in enumerate(names) if name == "header"]
    stops = [engine.heard[i][1]["stop_time"] for i in headers]
    counts = [names[:i].count("event") for i in headers]
    expected = [min(1500, int(stop - FIRST + 1e-6) + 1) for stop in stops]
    # The next readings leave right behind the slices, by another socket: a few may overtake them.
    nexts = [*expected[1:], 1500]
    for count, least, most in zip(counts, expected, nexts, strict=True):
        assert count == least or least < count < most
    assert names.count("event") == 1500, "none is lost in the proxy"
    # the end of the last series comes by the other socket: it may be heard before or after
    assert [name for name in names if name != "series_end"][-1] == "stop"


def test_without_an_engine_that_tells_all_readings_arrive_still(
    engines: Any, volumes: list[Volume], tmp_path: Path
) -> None:
    (path := tmp_path / "cycler.mpt").write_bytes(mpt_text(rows=1500, step_s=1.0))
    engine = engines(pause_s=0.0)
    send(engine, volumes, path, scan_interval_s=600.0)
    engine.until("stop")
    assert [name for name, _ in engine.heard].count("event") == 1500


def test_an_engine_that_takes_no_readings_is_named_and_not_waited_for(
    engines: Any, volumes: list[Volume], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken_module, "START_S", 0.2)
    (path := tmp_path / "cycler.mpt").write_bytes(mpt_text(rows=20))
    engine = engines(pause_s=0.0, counts=False)
    said = send(engine, volumes, path, engine=engine.pull)
    (line,) = [line for line in said if "has received 0 of 2 documents" in line]
    assert f"does its feeds.documents name {engine.out}?" in line
    assert sum(name == "image" for name, _ in engine.heard) == 15


def test_an_engine_that_goes_away_is_named_and_not_waited_for(
    engines: Any, volumes: list[Volume], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken_module, "ANSWER_S", 0.3)
    (path := tmp_path / "cycler.mpt").write_bytes(mpt_text(rows=20))
    engine, other = engines(pause_s=0.0), engines(pause_s=0.0)
    said: list[str] = []

    def note(text: str, sent: int, _total: int) -> None:
        said.append(text)
        if sent == 5:
            other.close()

    watched = find_engine(other.pull, "", "")
    assert watched is not None
    watched.close()
    publish(
        volumes,
        endpoint=engine.slices,
        cycler=path,
        documents_in=engine.into,
        documents_out=engine.out,
        engine=other.pull,
        scan_interval_s=60.0,
        progress=note,
    )
    engine.until("series_end", 3)
    assert any("no longer answers" in line or "has received 0" in line for line in said)
    assert sum(name == "image" for name, _ in engine.heard) == 15


def test_an_engine_that_was_named_must_answer(
    volumes: list[Volume], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken_module, "ANSWER_S", 0.2)
    (path := tmp_path / "cycler.mpt").write_bytes(mpt_text(rows=20))
    slices, into, out, nobody = free_addresses(4)
    with pytest.raises(EngineUnreachable, match=f"no engine answers at {nobody}"):
        publish(
            volumes,
            endpoint=slices,
            cycler=path,
            documents_in=into,
            documents_out=out,
            engine=nobody,
            progress=lambda *_: pytest.fail("nothing is said before"),
        )


def test_only_an_engine_that_takes_these_slices_is_found_by_itself(engines: Any) -> None:
    engine = engines(pause_s=0.0)
    assert find_engine("", engine.pull, "tcp://127.0.0.1:1") is None
    found = find_engine("", engine.pull, engine.slices)
    assert found is not None and found.documents() == 0
    found.close()
    engine.mode = "recording"
    assert find_engine("", engine.pull, engine.slices) is None


def test_slices_that_were_never_written_are_a_hole_and_told(engines: Any, tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(1, 200, (6, 12, 9), np.uint8)
    data[2:4] = 0
    tifffile.imwrite(tmp_path / "scan.tif", data, photometric="minisblack")
    engine = engines(pause_s=0.0)
    said = send(engine, open_volumes([tmp_path / "scan.tif"]), None)
    frames = [header["frame"] for name, header in engine.heard if name == "image"]
    assert frames == [0, 1, 4, 5]
    (end,) = [header for name, header in engine.heard if name == "series_end"]
    assert end["slices"] == 4
    assert any("scan.tif: slices 2, 3 (2 in total) contain a single value" in line for line in said)


def test_a_volume_of_another_depth_is_told(engines: Any, tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(1, 200, (6, 12, 9), np.uint8)
    for name, depth in (("a", 6), ("b", 5)):
        tifffile.imwrite(tmp_path / f"{name}.tif", data[:depth], photometric="minisblack")
    engine = engines(pause_s=0.0)
    said = send(engine, open_volumes([tmp_path / "a.tif", tmp_path / "b.tif"]), None)
    assert "b.tif: has 5 slices, a.tif has 6; is it complete?" in said
