"""A small version of `python -m tests.studies.kills`: the engine is killed while both cells are
scanned."""

import json
import shutil
from pathlib import Path

import h5py
import pytest

from tests.studies.kills.run import differences, run

SCANS = 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of an unbroken run."""
    folder = tmp_path_factory.mktemp("unbroken") / "whole"
    return run(folder, scans=SCANS, scan_s=0.8, kills=0)


def test_a_run_with_kills_leaves_what_the_unbroken_one_leaves(whole: Path, tmp_path: Path) -> None:
    broken = run(tmp_path / "broken", scans=SCANS, scan_s=5.0, kills=3, every_s=1.5, seed=7)
    assert differences(whole, broken, SCANS) == []


def test_what_differs_is_found(whole: Path, tmp_path: Path) -> None:
    other = shutil.copytree(whole, tmp_path / "other")
    assert differences(whole, other, SCANS) == []
    (other / "A" / "scan_0001.h5").unlink()
    with h5py.File(other / "B" / "scan_0002.h5", "r+") as file:
        file["entry/interface/height"][3, 4] = 1e-6
    with h5py.File(other / "A" / "cycler.h5", "r+") as file:
        file["potential_V"][-1] += 1e-9
    events = other / "B" / "events.jsonl"
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    verdict = next(line for line in lines if line["kind"] == "decision")
    events.write_text("".join(json.dumps(line) + "\n" for line in lines if line is not verdict))
    (other / "B" / "scan_0003.h5.part").write_bytes(b"")
    found = differences(whole, other, SCANS)
    assert found[:3] == [
        "A/scan_0001.h5: is not there",
        "A/cycler.h5: potential_V differs",
        "B/scan_0002.h5: entry/interface/height differs",
    ]
    assert found[3].startswith("B/events.jsonl: ")
    assert found[4:] == ["B/scan_0003.h5.part was left behind"]
