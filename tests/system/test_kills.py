"""A small version of `python -m tests.kills`: the engine is killed while both cells are scanned."""

from pathlib import Path

from tests.kills.run import differences, run

SCANS = 3


def test_a_run_with_kills_leaves_what_the_unbroken_one_leaves(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", scans=SCANS, scan_s=0.8, kills=0)
    broken = run(tmp_path / "broken", scans=SCANS, scan_s=5.0, kills=3, every_s=1.5, seed=7)
    assert differences(whole, broken, SCANS) == []


def test_what_differs_is_found(tmp_path: Path) -> None:
    one = run(tmp_path / "one", scans=1, scan_s=0.8, kills=0)
    two = run(tmp_path / "two", scans=2, scan_s=0.8, kills=0)
    found = differences(two, one, 2)
    assert "A/scan_0001.h5: is not there" in found
    assert any("cycler.h5" in text for text in found)
    assert any("events.jsonl" in text for text in found)
