"""A stranger's producer, screen and reader, which know no code of ours, meet the engine."""

import ast
import json
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  the recorded slices are compressed
import numpy as np
import pytest
import zmq

from tests.system import contract_producer
from tests.system.running import PATIENCE_S, PROGRAM, write_config

PRODUCER = Path(contract_producer.__file__)
INTERFACE = ["height", "height_error", "bottom", "removal", "removal_error"]
CURRENT = ["cumulative", "interval", "absolute", "running", "running_error"]
PITS = [
    "id", "parent", "first_scan", "x_um", "y_um", "area_um2", "diameter_um", "depth_max_um",
    "depth_mean_um", "volume_um3", "current_density_mA_cm2", "p_value",
    "depth_max_error_um",
]  # fmt: skip


class Screen:
    """A client that speaks plain JSON."""

    def __init__(self, pull, status):
        self.context = zmq.Context()
        self.pull = self.context.socket(zmq.DEALER)
        self.pull.connect(pull)
        self.status = self.context.socket(zmq.SUB)
        self.status.setsockopt(zmq.SUBSCRIBE, b"")
        self.status.connect(status)
        self.heard = []

    def ask(self, **request):
        self.pull.send(json.dumps(request).encode())
        assert self.pull.poll(int(1000 * PATIENCE_S)), "no answer"
        header, *buffer = self.pull.recv_multipart()
        return json.loads(header), *buffer

    def map(self, scan, name):
        header, buffer = self.ask(type="map", cell="A", scan=scan, name=name)
        return header, np.frombuffer(buffer, header["dtype"]).reshape(header["shape"])

    def listen_for(self, kind, count, producer):
        """Hear all that is said until `kind` has been said `count` times."""
        end = time.monotonic() + PATIENCE_S
        while [m["type"] for m in self.heard].count(kind) < count:
            assert time.monotonic() < end, [m["type"] for m in self.heard]
            assert producer.poll() is None, "the producer has ended too early"
            if self.status.poll(500):
                self.heard.append(json.loads(self.status.recv()))


@contextmanager
def stopped_after(process):
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The producer's three scans through a real engine: (screen's answers, folder)."""
    folder = tmp_path_factory.mktemp("contract")
    config = write_config(folder)
    table = {k: v for k, v in _toml(config).items() if k in ("feeds", "requests", "results")}
    slices, documents = table["feeds"]["slices"][0], table["feeds"]["documents"][0]
    engine = [sys.executable, str(PROGRAM), "engine", "--config", str(config)]
    engine += ["--out", str(folder / "out")]
    produce = [sys.executable, str(PRODUCER), slices, documents, table["requests"]["endpoint"]]
    screen = Screen(table["results"]["pull"], table["results"]["status"])
    try:
        with stopped_after(subprocess.Popen(engine)) as engine_process:
            screen.ask(type="state", since=-1)
            with stopped_after(subprocess.Popen(produce, stdin=subprocess.PIPE)) as producer:
                screen.listen_for("scan_complete", 3, producer)
                screen.listen_for("scan_reply", 1, producer)
                answers = {
                    "state": screen.ask(type="state", since=-1)[0],
                    "removal": screen.map(2, "removal"),
                    "cumulative": screen.map(None, "cumulative"),
                    "pits": screen.ask(type="pits", cell="A", scan=2)[0],
                    "nothing": screen.ask(type="map", cell="A", scan=9, name="height")[0],
                    "heard": screen.heard,
                }
            engine_process.terminate()
            assert engine_process.wait(PATIENCE_S) == 0
        yield answers, folder / "out" / "demo" / "A"
    finally:
        screen.context.destroy(linger=0)


def _toml(path):
    return tomllib.loads(path.read_text())


def true_removal(scan):
    y, x = np.mgrid[:64, :64]
    dome = np.sqrt(np.clip(100.0 - (y - 30) ** 2 - (x - 25) ** 2, 0, None))
    return (1.3 + 0.8 * dome) * scan


def test_the_producer_is_short_and_knows_nothing_of_ours():
    tree = ast.parse(PRODUCER.read_text())
    names = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert names == {"json", "sys", "numpy", "zmq"}
    assert not any(isinstance(n, ast.ImportFrom) for n in ast.walk(tree))
    first = tree.body[1 + len(names)].lineno
    lines = [line for line in PRODUCER.read_text().splitlines()[first - 1 :] if line.strip()]
    assert len(lines) <= 40


def test_every_scan_is_there_and_whole(played):
    cell = played[0]["state"]["cells"]["A"]
    assert [scan["scan"] for scan in cell["scans"]] == [0, 1, 2]
    assert [scan["reason"] for scan in cell["scans"]] == ["reference", "periodic", "extra"]
    assert all(scan["complete"] and not scan["provisional"] for scan in cell["scans"])
    feeds = played[0]["state"]["feeds"]
    assert feeds["slices"]["messages"] >= 3 * 98 - 1  # the last end may be on its way
    assert (feeds["slices"]["gaps"], feeds["slices"]["bad"]) == (0, {})
    assert feeds["documents"]["bad"] == {}


def test_the_numbers_are_those_put_in(played):
    for number, scan in enumerate(played[0]["state"]["cells"]["A"]["scans"]):
        if number:
            mean = true_removal(number).mean()
            assert scan["averaged_um"] == pytest.approx(mean, abs=0.1)
            assert scan["coulometry_um"] == pytest.approx(mean, rel=0.01)
            assert scan["closure"] == pytest.approx(1.0, abs=0.05)
            assert scan["complete_um"] == pytest.approx(1.3 * number, abs=0.3)
            assert scan["pit_count"] == 1


def test_a_map_comes_over_the_wire(played):
    header, removal = played[0]["removal"]
    assert (header["units"], header["length_unit"], header["provisional"]) == ("µm", "µm", False)
    assert removal.shape == (64, 64)
    error = removal - true_removal(2)
    assert np.isfinite(removal).mean() > 0.99
    assert np.sqrt(np.nanmean(error**2)) < 1.0
    assert played[0]["cumulative"][0]["scan"] == 2
    assert played[0]["nothing"]["type"] == "error"


def test_the_pit_is_where_it_was_put(played):
    columns = played[0]["pits"]["columns"]
    assert list(columns) == PITS
    # x and y are counted from the centre of the first pixel or from its corner: within a pixel
    assert columns["x_um"][0] == pytest.approx(25, abs=1.0)
    assert columns["y_um"][0] == pytest.approx(30, abs=1.0)
    assert columns["depth_max_um"][0] == pytest.approx(16, abs=2)


def test_the_extra_scan_was_asked_for_and_came(played):
    kinds = [message["type"] for message in played[0]["heard"]]
    assert kinds.index("pit_onset") < kinds.index("scan_request")
    assert kinds.count("scan_request") == 1
    (request,) = played[0]["state"]["cells"]["A"]["requests"]
    assert (request["reason"], request["status"], request["scan"]) == ("pit_onset", "done", 2)
    assert played[0]["state"]["cells"]["A"]["scans"][2]["request"] == request["id"]


def test_versions_of_the_status_grow_one_by_one(played):
    versions = [message["version"] for message in played[0]["heard"]]
    assert versions == list(range(versions[0], versions[0] + len(versions)))


@pytest.mark.parametrize("scan", [0, 1, 2])
def test_the_recording_opens_with_plain_h5py(played, scan):
    with h5py.File(played[1] / f"scan_{scan:04d}.h5") as file:
        entry = file["entry"]
        np.testing.assert_array_equal(
            entry["reconstruction/data"][()], contract_producer.volume(scan)
        )
        assert (entry["ledger/received"][()] == 1).all()
        interface, current = entry["interface"], entry["current_density"]
        assert interface.attrs["signal"] == "height"
        for name in INTERFACE:
            assert interface[name].shape == (64, 64)
            assert interface[name].dtype == np.float32
            assert interface[name].attrs["units"] in ("um", "µm")
        for name in CURRENT if scan else []:
            assert current[name].attrs["units"] == "mA/cm2"
        assert list(np.diff(interface["x"][()])) == [1.0] * 63
        assert [name for name in PITS if name not in entry["pits"]] == []
        assert len({len(entry["pits"][name]) for name in PITS}) == 1
        summary = entry["summary"]
        for name in ("charge_mAh_cm2", "averaged_um", "complete_um", "closure", "pit_count"):
            assert "units" in summary[name].attrs
        if scan:
            removal = interface["removal"][()]
            assert np.nanmean(removal) == pytest.approx(true_removal(scan).mean(), abs=0.1)
    assert not list(played[1].glob("*.part"))


def test_the_cycler_and_the_events_are_recorded(played):
    with h5py.File(played[1] / "cycler.h5") as file:
        columns = []
        file.visititems(lambda name, item: columns.append(name) if hasattr(item, "shape") else None)
        times = next(file[name][()] for name in columns if name.endswith("time"))
        assert len(times) == 61
    lines = (played[1] / "events.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds.count("scan_complete") == 3
    assert kinds.count("pit_onset") == 1
