"""A recorded two-cell run with an extra scan, replayed: bit-identical maps, pits and events."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (the slices are compressed with it)
import numpy as np
import pytest

from tests.system.running import PATIENCE_S, engine, launch, scans_done, write_config

CELLS = [{"name": "A", "capacity_mAh": 0.6}, {"name": "B", "capacity_mAh": 0.69}]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two-cells")
    config = write_config(
        folder, cells=CELLS, simulator={"scenario": "two-cells", "scans": 3, "speed": 900.0}
    )
    with engine(config) as (process, watcher):
        simulation = launch("simulate", "--config", str(config))
        assert simulation.returncode == 0, simulation.stderr
        watcher.until(
            lambda s: len(scans_done(s)) >= 4 and len(scans_done(s, "B")) >= 3,
            PATIENCE_S,
            lambda: process.poll() is None,
        )
    return folder / "runs" / "demo"


def test_the_extra_scan_was_asked_for_and_came(recording: Path) -> None:
    with h5py.File(recording / "A" / "scan_0002.h5") as file:
        assert file["entry/summary/reason"][()] == b"extra"
        assert len(file["entry/summary/request"][()]) == 36
        with h5py.File(recording / "A" / "scan_0001.h5") as before:
            assert before["entry/summary/pit_count"][()] > 0


def test_replay_is_bit_identical(recording: Path, tmp_path: Path) -> None:
    replay = launch("replay", str(recording), "--headless", "--out", str(tmp_path))
    assert replay.returncode == 0, replay.stderr
    again = tmp_path / "demo"
    files = sorted(path.relative_to(recording) for path in recording.glob("*/scan_*.h5"))
    assert len(files) >= 7
    compared = sum(_identical(recording / name, again / name) for name in files)
    assert compared > 30 * len(files)
    for cell in ("A", "B"):
        events = (recording / cell / "events.jsonl").read_bytes()
        assert events.count(b"\n") >= 6
        assert events == (again / cell / "events.jsonl").read_bytes()


def test_replay_from_a_later_scan_keeps_the_reference(recording: Path, tmp_path: Path) -> None:
    replay = launch("replay", str(recording), "--headless", "--from", "2", "--out", str(tmp_path))
    assert replay.returncode == 0, replay.stderr
    again = tmp_path / "demo"
    assert sorted(p.name for p in (again / "B").glob("scan_*.h5")) == [
        "scan_0000.h5",
        "scan_0002.h5",
    ]
    name = Path("B") / "scan_0002.h5"
    with h5py.File(recording / name) as one, h5py.File(again / name) as other:
        removal = "entry/interface/removal"
        np.testing.assert_array_equal(one[removal][()], other[removal][()])


def _identical(one: Path, other: Path) -> int:
    """Compares every dataset of two files byte by byte; returns how many there were."""
    names: list[str] = []
    with h5py.File(one) as first, h5py.File(other) as second:
        first.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        for name in names:
            mine, theirs = np.asarray(first[name][()]), np.asarray(second[name][()])
            assert mine.tobytes() == theirs.tobytes(), f"{one.name}: {name} differs"
    return len(names)
