"""The demo as a new user starts it, without a display; and Table 1 of the paper.

Every demo takes the addresses of the shipped settings while they are free. All demos stand in this
file, which one process runs: two that begin at the same moment would take the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor import settings
from monitor.cli import live
from monitor.program import shared_folder
from tests.system.running import launch

PAPER = {  # Tonin et al., Table 1; coulometry as Faraday's law has it
    "paper-0.55": {"coulometry_um": 14.8, "averaged_um": 16.0, "complete_um": 5.0},
    "paper-0.23": {"coulometry_um": 17.0, "averaged_um": 16.0, "complete_um": 16.0},
}


@pytest.mark.parametrize("scenario", PAPER)
def test_table_1(
    scenario: str, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a small field of view: the numbers are those of the default one."""
    shipped = (shared_folder("config") / "simulated.toml").read_text("utf-8")
    small = tmp_path / "config" / "simulated.toml"
    small.parent.mkdir()
    small.write_text(shipped.replace("\nsize = 384 ", "\nsize = 128 "), "utf-8")
    assert settings.load(small).simulator.size == 128
    monkeypatch.setattr(live, "shared_folder", lambda _: small.parent)
    demo = command("demo", "--headless", "--scenario", scenario, "--out", str(tmp_path))
    assert demo.returncode == 0, demo.stderr
    assert "Coulometry" in demo.stdout
    report = command("report", str(tmp_path / "demo"), "--json", "--out", str(tmp_path / "figures"))
    assert report.returncode == 0, report.stderr
    (row,) = json.loads(report.stdout)["cells"]["A"]["table"]
    for name, value in PAPER[scenario].items():
        assert row[name] == pytest.approx(value, abs=0.5), name
    assert row["current_density_mA_cm2"] == pytest.approx(float(scenario[-4:]), abs=0.005)
    assert len(list((tmp_path / "figures").glob("*.png"))) >= 4


def test_without_a_display_the_demo_says_so_and_runs_through(tmp_path: Path) -> None:
    demo = launch("demo", "--scans", "2", "--out", str(tmp_path))
    assert demo.returncode == 0, demo.stderr
    assert "Coulometry" in demo.stdout
    assert "no display" in demo.stderr
    assert (tmp_path / "demo" / "A" / "scan_0001.h5").exists()


def test_options_of_the_demo_need_no_name(tmp_path: Path) -> None:
    done = launch("--headless", "--scans", "1", "--speed", "50000", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    assert (folder / "A" / "scan_0000.h5").exists()
