"""Text that is longer than its place, or not text at all, is readable again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import pytest

from monitor.engine.recorder import Recorder
from monitor.recording import format
from monitor.recording.read.experiment import Scan, open_experiment
from monitor.recording.verify.experiment import verify
from tests.recording.synthetic import Scene, messages, result, settings

FULL = format.TEXT_BYTES


@pytest.mark.parametrize(
    "text",
    ["x" * (FULL - 1) + "µ", "x" * (FULL - 2) + "€€", "x" * (FULL - 3) + "🔋🔋", "é" * FULL,
     "\ud800" + "ü" * FULL, "a\0b", "", "plain"],
)  # fmt: skip
def test_text_is_cut_between_two_characters(text: str) -> None:
    stored = format.stored_scalar("request", text)
    assert isinstance(stored, bytes) and len(stored) <= FULL
    found = format.read_scalar("request", stored)
    expected = text.replace("\ud800", "?").replace("\0", "?")
    assert (found or "") == stored.decode() and expected.startswith(found or "")
    assert len(expected.encode()) <= FULL or len(stored) > FULL - 4


@pytest.mark.parametrize("request_id", ["x" * 127 + "µ", "Versuch-" + "ä" * 90, "💡" * 60])
@pytest.mark.slow
def test_a_recording_with_a_long_request_is_read(tmp_path: Path, request_id: str) -> None:
    recorder = Recorder(settings(tmp_path))
    scene = Scene(nz=8)
    begin = scene.start(0, 1.6e9, "extra", "A", 0)
    begin = dataclasses.replace(begin, request=request_id)
    removal = scene.removal(1.0)
    whole = result(begin, removal, request=request_id, step="entladen, " * 12 + "längs")
    volume = scene.volume(100.0 - removal)
    for record in messages(begin, volume):
        recorder.write("slices", (), record, ())
    recorder.write("slices", (), begin, (whole,))
    recorder.close()
    (scan,) = open_experiment(recorder.folder).cells["A"].scans
    assert scan.header["request"] == request_id
    assert request_id.startswith(scan.summary()["request"])
    assert not [f for f in verify(recorder.folder).found if "summary" in f.what]


def test_what_an_older_version_cut_within_a_character_is_read(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    scene = Scene(nz=8)
    begin = scene.start(0, 1.6e9, "extra", "A", 0)
    whole = result(begin, scene.removal(1.0))
    recorder.write("slices", (), begin, (whole,))
    recorder.close()
    path = recorder.folder / "A" / "scan_0000.h5"
    with h5py.File(path, "r+") as file:
        file["entry/summary/request"][()] = ("x" * 127 + "µ").encode()[:FULL]
    assert Scan(path).summary()["request"] == "x" * 127
