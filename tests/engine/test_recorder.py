"""The recorder's queue, its answers, and its silence in the compute thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.recording.read.experiment import open_experiment
from monitor.records import OperatorRequest
from tests.recording.synthetic import NX, NY, Scene, messages, settings, write_scan


def test_a_full_queue_waits_and_loses_nothing(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path), queue_bytes=50_000)
    whole = write_scan(recorder, Scene(), 0)
    recorder.close()
    status = recorder.status
    assert status["waits"] > 0 and status["queued_bytes"] == 0
    assert status["slices"] == 40 and status["messages"] == 42 and status["scans"] == 1
    (scan,) = open_experiment(recorder.folder).cells["A"].scans
    assert scan.complete and scan.ledger().all()
    np.testing.assert_array_equal(scan.map("removal"), whole.maps["removal"])


def test_maps_and_sections_of_finished_scans(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    whole = write_scan(recorder, Scene(), 4, charge_mAh_cm2=1.0)
    assert recorder.drain()
    np.testing.assert_array_equal(recorder.stored_map("A", 4, "height"), whole.maps["height"])
    np.testing.assert_array_equal(recorder.stored_map("A", 4, "pit_labels"), whole.pit_labels)
    assert recorder.stored_map("A", 4, "interval") is None
    assert recorder.stored_map("A", 5, "height") is None
    assert recorder.section("A", 4, "y", 0).shape == (40, NX)
    assert recorder.section("A", None, "x", 0).shape == (40, NY)
    for cell, scan, axis, index in (("A", 5, "y", 0), ("B", None, "y", 0), ("A", 4, "x", -1)):
        with pytest.raises(RecordingError, match="no cross-section"):
            recorder.section(cell, scan, axis, index)
    recorder.close()
    with pytest.raises(RecordingError, match="ended"):
        recorder.section("A", 4, "y", 0)


def test_sections_are_answered_while_slices_wait(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    scene = Scene()
    volume = scene.volume(np.full((NY, NX), 60.0))
    records = messages(scene.start(0, 1.6e9, "reference", "A", 0), volume)
    sections: list[np.ndarray] = []

    def ask() -> None:
        while len(sections) < 20:
            try:
                sections.append(recorder.section("A", None, "y", 7))
            except RecordingError:
                continue

    asking = threading.Thread(target=ask)
    asking.start()
    for record in records:
        recorder.write("slices", (), record, ())
    asking.join(timeout=120)
    recorder.close()
    assert len(sections) == 20
    for section in sections:
        came = section.any(axis=1)
        np.testing.assert_array_equal(section[came], volume[came, 7])


def test_a_failing_disk_never_reaches_the_compute_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(settings(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("monitor.recording.journal.os.write", full)
        recorder.write("operator", (), OperatorRequest("A"), ())
        recorder.drain()
        assert "No space left on device" in recorder.status["alarm"]
        assert recorder.status["failures"] >= 1
    recorder.close()
    assert len(list(open_experiment(recorder.folder).journal())) == 1
