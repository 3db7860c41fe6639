"""Numbers of scans and pits as CSV, read by pandas."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from monitor.csv_text import csv_text
from monitor.quantities.table import PIT_COLUMNS, SCALARS
from tests.export.made_up import BEGUN, export, recorded
from tests.recording.synthetic import HOUR


def test_scans_in_rows_with_units_in_the_names(recording: Path, tmp_path: Path) -> None:
    table = pd.read_csv(export(recording, "csv", tmp_path / "out") / "scans.csv")
    assert list(table["cell"]) == ["A"] * 3 + ["B"] * 3
    assert list(table["scan"]) == [0, 1, 2, 0, 1, 2]
    begun = pd.to_datetime(table["time"], utc=True) - pd.Timestamp(BEGUN, unit="s", tz="UTC")
    assert list(begun.dt.total_seconds()) == [0.0, HOUR, 2 * HOUR] * 2
    assert list(table["time_s"])[:3] == [BEGUN + 30 + n * HOUR for n in range(3)]
    assert list(table["complete"]) == [True] * 6 and list(table["refined"]) == [True] * 6
    for row, scan in enumerate(recorded(recording)):
        wanted = scan.summary()["averaged_um"]
        assert table["averaged_um"][row] == pytest.approx(wanted, rel=5e-5)
    assert set(table["j_p99_mA_cm2"]) == {1.2346}
    assert table["closure"].isna().all()
    assert set(table.columns) == {
        "cell", "scan", "time", "complete", *(one.column("µm") for one in SCALARS.values())
    }  # fmt: skip
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in table.columns)


def test_a_row_for_each_pit(recording: Path, tmp_path: Path) -> None:
    table = pd.read_csv(export(recording, "csv", tmp_path / "out") / "pits.csv")
    columns = [one.column("µm") for one in PIT_COLUMNS.values()]
    assert list(table.columns) == ["cell", "scan", "time", *columns]
    for row, scan in enumerate(recorded(recording)):
        pits = scan.pits()
        for name in columns:
            assert table[name][row] == pytest.approx(pits[name][0], rel=5e-5, nan_ok=True), name
    assert table["id"].dtype == "int64"


def test_cells_with_and_without_a_voxel_size(in_voxels: Path, tmp_path: Path) -> None:
    out = export(in_voxels, "csv", tmp_path / "out")
    scans, pits = pd.read_csv(out / "scans.csv"), pd.read_csv(out / "pits.csv")
    assert scans["averaged_voxel"][0] > 0 and "averaged_um" not in scans
    assert "pit_depth_growth_voxel_cm2_mAh" in scans
    assert pits["depth_max_voxel"][0] == 9.0 and "depth_max_um" not in pits


def test_times_with_and_without_a_fraction_are_times_to_pandas(tmp_path: Path) -> None:
    begun = [BEGUN, BEGUN + 0.5, BEGUN + 1.25, None]
    (tmp_path / "t.csv").write_text(csv_text(["A"] * 4, [0, 1, 2, 3], begun, {}), "utf-8")
    times = pd.read_csv(tmp_path / "t.csv", parse_dates=["time"])["time"]
    assert list((times - times[0]).dt.total_seconds())[:3] == [0.0, 0.5, 1.25]
    assert str(times[0]) == "2023-11-14 22:13:20+00:00" and times.isna()[3]
