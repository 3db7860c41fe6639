"""Readings as Battery Data Format, checked and read by the Battery Data Alliance's own library."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest

from monitor.recording.write.cell_logs import append_readings
from monitor.records import CyclerReading
from tests.export.made_up import BEGUN, READINGS, export, record

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own deprecations
    import bdf


@pytest.mark.filterwarnings("ignore")
def test_names_units_and_values(recording: Path, tmp_path: Path) -> None:
    path = export(recording, "bdf", tmp_path / "out") / "A.bdf.csv"
    table = bdf.read(path)
    assert bdf.validate(table, raise_on_error=True)["missing"] == []
    rows = np.arange(len(READINGS))
    np.testing.assert_allclose(table["Test Time / s"], 30.0 * rows)
    np.testing.assert_allclose(table["Unix Time / s"], BEGUN + 30.0 * rows)
    np.testing.assert_allclose(table["Voltage / V"], 2.0 + 0.001 * rows, rtol=1e-9)
    np.testing.assert_allclose(table["Current / A"], -0.000108, rtol=1e-9)  # it discharges
    np.testing.assert_allclose(table["Net Capacity / Ah"], -0.9e-6 * rows, rtol=1e-9)
    np.testing.assert_array_equal(table["Cycle Count / 1"], 1)
    assert list(table["Step ID"]) == [2] * len(READINGS)


@pytest.mark.filterwarnings("ignore")
def test_a_positive_current_charges_whichever_electrode_is_watched(tmp_path: Path) -> None:
    recording = record(tmp_path / "runs")
    path = recording / "experiment.toml"
    text = path.read_text("utf-8").replace('name = "A"', 'name = "A"\nstripping_current_sign = 1')
    kept = [line for line in text.splitlines() if line != "stripping_current_sign = -1"]
    path.write_text("\n".join(kept), "utf-8")
    table = bdf.read(export(recording, "bdf", tmp_path / "out") / "A.bdf.csv")
    np.testing.assert_allclose(table["Current / A"], 0.000108, rtol=1e-9)
    assert table["Net Capacity / Ah"].iloc[-1] > 0


@pytest.mark.filterwarnings("ignore")
def test_what_the_cycler_did_not_send_is_empty_or_left_out(tmp_path: Path) -> None:
    recording = record(tmp_path / "runs")
    bare = [dataclasses.replace(CyclerReading("A", one.time), potential_V=1.5) for one in READINGS]
    append_readings(recording / "A" / "cycler.h5", bare, since=0.0)
    path = export(recording, "bdf", tmp_path / "out") / "A.bdf.csv"
    names = path.read_text("utf-8").splitlines()[0].split(",")
    assert names == ["Test Time / s", "Voltage / V", "Current / A", "Unix Time / s"]
    table = bdf.read(path)
    assert table["Current / A"].isna().all() and (table["Voltage / V"] == 1.5).all()
