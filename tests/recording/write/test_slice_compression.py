"""Slices are compressed if their scan gains by that; a recording reads the same either way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.engine.recorder import Recorder
from monitor.recording import format
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import verify
from monitor.recording.write.slice_compression import TRIAL_SLICES
from monitor.records import SliceFrame
from tests.recording.synthetic import Scene, settings, write_scan

SLICES = 2 * TRIAL_SLICES


@dataclass
class Noise(Scene):
    """A scan whose every bit is noise."""

    def volume(self, height_um: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, 2**16, (self.nz, *height_um.shape), self.dtype)


def record(folder: Path, scene: Scene, setting: str = "auto") -> tuple[Path, dict[str, object]]:
    """A recording of one scan, and what the recorder said of its compression."""
    recorder = Recorder(settings(folder, compress_slices=setting))
    write_scan(recorder, scene, 0, slices_missing=0)
    recorder.close()
    return recorder.folder, dict(recorder.status["compression"]["A"])


def compressed_slices(path: Path) -> list[int]:
    """Indices along the scan's axis of the slices that went through the filter."""
    with h5py.File(path) as file:
        volume, axis = file[format.SLICES], file["entry"].attrs["axis"]
        chunks: list[tuple[int, int]] = []
        volume.id.chunk_iter(
            lambda c: chunks.append((c.chunk_offset[int(axis == "y")], c.filter_mask))
        )
    return sorted({index for index, mask in chunks if not mask})


@pytest.mark.parametrize("axis", ["z", "y"])
@pytest.mark.parametrize(
    ("scene", "setting", "compressed", "on"),
    [
        (Scene, "auto", SLICES, True),
        (Noise, "auto", TRIAL_SLICES, False),
        (Noise, "on", SLICES, True),
        (Scene, "off", 0, False),
    ],
)
def test_a_scan_is_compressed_if_that_pays(
    tmp_path: Path, scene: type[Scene], setting: str, compressed: int, on: bool, axis: str
) -> None:
    made = scene(nz=SLICES, axis=axis)
    count = SLICES if axis == "z" else made.start(0, 0.0, "", "A", 0).slice_count
    folder, said = record(tmp_path, made, setting)
    first = list(range(count if compressed == SLICES else compressed))
    assert compressed_slices(folder / "A" / "scan_0000.h5") == first
    saving = said["saving"]
    assert said["on"] == on
    if setting == "off":
        assert saving is None
    else:
        assert (saving >= 0.25) == (scene is Scene)


@pytest.mark.parametrize("axis", ["z", "y"])
def test_what_is_not_compressed_reads_verifies_and_replays_as_ever(
    tmp_path: Path, axis: str
) -> None:
    scene = Noise(nz=SLICES, axis=axis)
    folder, _ = record(tmp_path, scene)
    sent = scene.volume(np.zeros((96, 112)))
    assert [(f.what, f.expected) for f in verify(folder).found] == []
    experiment = open_experiment(folder)
    scan = experiment.cells["A"].scans[0]
    np.testing.assert_array_equal(scan.section("y", 5), sent[:, 5])
    np.testing.assert_array_equal(scan.section("x", 7), sent[:, :, 7])
    with h5py.File(scan.path) as file:
        np.testing.assert_array_equal(file[format.SLICES][...], sent)
    slices = [r for _, r in replay_records(experiment) if isinstance(r, SliceFrame)]
    along = 0 if axis == "z" else 1
    for slice_ in slices:
        np.testing.assert_array_equal(slice_.data, sent.take(slice_.frame, along))
    assert len(slices) == sent.shape[along]


@pytest.mark.parametrize("harm", ["short", "unmarked"])
def test_a_damaged_chunk_that_is_not_compressed_is_found(tmp_path: Path, harm: str) -> None:
    folder, _ = record(tmp_path, Noise(nz=SLICES))
    with h5py.File(folder / "A" / "scan_0000.h5", "r+") as file:
        volume = file[format.SLICES].id
        _, stored = volume.read_direct_chunk((SLICES - 1, 0, 0))
        rest, mask = stored[:-2], int(harm == "short")
        volume.write_direct_chunk((SLICES - 1, 0, 0), rest, mask)
    assert verify(folder).count("error")
