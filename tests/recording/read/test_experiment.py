"""Reading a recording, whole or broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.recording.read.experiment import Scan, open_experiment
from monitor.recording.read.stored_scan import pits_of
from tests.recording.synthetic import (
    Scene,
    cycler_event,
    cycler_run,
    settings,
    write_scan,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recorder = Recorder(settings(tmp_path, "A", "B"))
    for document in (*cycler_run("A"), cycler_event("A", 5.0, 0.2)):
        recorder.write("documents", (), document, ())
    for scan, number in ((10, 0), (2, 50)):
        write_scan(recorder, Scene(), scan, msg_number=number, soc=0.25, complete_separated=True)
    recorder.close()
    return recorder.folder


def test_what_was_written_is_read(folder: Path) -> None:
    experiment = open_experiment(folder)
    assert experiment.name == "made-up" and experiment.has_slices
    assert list(experiment.cells) == ["A", "B"]
    assert experiment.settings == settings(folder.parent, "A", "B")
    cell = experiment.cells["A"]
    assert [scan.number for scan in cell.scans] == [2, 10]
    assert cell.cycler()["charge_mAh"].tolist() == [-0.2]
    assert [event["kind"] for event in cell.events()] == ["scan_complete"] * 2
    assert experiment.cells["B"].scans == [] and experiment.cells["B"].events() == []
    assert experiment.cells["B"].cycler()["time"].size == 0
    scan = cell.scans[0]
    summary = scan.summary()
    assert (summary["soc"], summary["complete_separated"], summary["pit_count"]) == (0.25, True, 1)
    assert summary["closure"] is None and summary["step"] is None
    assert summary["reason"] == "periodic"
    assert scan.pits()["id"].tolist() == [7]
    assert scan.map("interval") is None and scan.map("pit_labels").max() == 7
    assert scan.header["voxel_size"] == [4.0, 4.0, 4.0]


def test_a_column_of_pits_that_an_older_recording_lacks_is_not_known(folder: Path) -> None:
    scan = open_experiment(folder).cells["A"].scans[0]
    with h5py.File(scan.path, "r+") as file:
        del file["entry/pits/depth_max_error_um"]
    (pit,) = pits_of(open_experiment(folder).cells["A"].scans[0])
    assert pit.id == 7 and np.isnan(pit.depth_max_error)


def test_a_newer_or_strange_recording_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    toml = folder / "experiment.toml"
    text = toml.read_text()
    for broken, why in (
        (text.replace("format = 1", "format = 2"), "install a newer pitwatch"),
        (text.replace("format = 1", 'format = "x"'), "format 'x'"),
        ("format = ", "cannot be read"),
    ):
        toml.write_text(broken)
        with pytest.raises(RecordingError, match=why) as error:
            open_experiment(folder)
        assert "\n" not in str(error.value)
    with pytest.raises(RecordingError, match="not a recorded experiment"):
        open_experiment(tmp_path)


def test_a_damaged_scan_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "scan_0000.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(RecordingError, match=r"scan_0000\.h5: cannot be read") as error:
        Scan(path).summary()
    assert "\n" not in str(error.value)
    with pytest.raises(RecordingError, match="does not exist"):
        Scan(tmp_path / "scan_0001.h5").ledger()


def test_heights_survive_the_round_trip(folder: Path) -> None:
    for scan in open_experiment(folder).cells["A"].scans:
        height, removal = scan.map("height"), scan.map("removal")
        assert height is not None and removal is not None
        np.testing.assert_allclose(height + removal, 125.0, rtol=1e-6)


def test_a_scan_cut_short_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "cut"
    shutil.copytree(folder, copy)
    path = next((copy / "A").glob("scan_*.h5"))
    with path.open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(RecordingError, match=path.name):
        Scan(path).order()
