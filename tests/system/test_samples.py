"""Real volumes and a real cycler file as live feeds; no µm where no voxel size is known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from monitor import settings
from tests.system.running import PATIENCE_S, engine, launch, scans_done, write_config

SAMPLES = Path(os.environ.get("PITWATCH_SAMPLES", "/nonexistent"))
PORE = {"collector": 126.0, "lithium": 80.0, "electrolyte": 126.0, "noise": 9.0}

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="PITWATCH_SAMPLES does not name the folder of real samples"
)


def _published(tmp_path: Path, volumes: list[str], cycler: str, cell: dict[str, object]) -> Path:
    config = write_config(tmp_path, cells=[{"name": "A", **cell}])
    addresses = settings.load(config).simulator
    with engine(config) as (process, watcher):
        sent = launch(
            "publish",
            *(str(SAMPLES / "tomo" / name) for name in volumes),
            "--cycler",
            str(SAMPLES / "eclab" / cycler),
            "--cycler-time",
            "scaled",
            "--endpoint",
            addresses.slices,
            "--documents-in",
            addresses.documents_in,
            "--documents-out",
            addresses.documents_out,
        )
        assert sent.returncode == 0, sent.stderr
        state = watcher.until(
            lambda s: len(scans_done(s)) == len(volumes),
            PATIENCE_S,
            lambda: process.poll() is None,
        )
        assert state["feeds"]["slices"]["gaps"] == 0
        assert state["feeds"]["slices"]["bad"] == {}
        assert state["cells"]["A"]["cycler_points"] > 10
    return tmp_path / "runs" / "demo"


def test_bubble_with_a_binary_cycler_file(tmp_path: Path) -> None:
    pytest.importorskip("galvani")
    recording = _published(
        tmp_path,
        ["bubble_0.tif", "bubble_1.tif"],
        "li_li_tegdme_gcpl.mpr",
        {"grey_levels": PORE},
    )
    with h5py.File(recording / "A" / "scan_0001.h5") as file:
        assert file["entry/interface/height"].attrs["units"] == "voxel"
        assert file["entry/interface/height"].shape == (168, 156)
        assert "µm" not in {item.attrs["units"] for item in file["entry/interface"].values()}
        height = file["entry/interface/height"][()]
    # an independent look at the same pore: voxels darker than half-way, counted column by column
    volume = tifffile.imread(SAMPLES / "tomo" / "bubble_1.tif")
    counted = (volume < 0.5 * (PORE["lithium"] + PORE["electrolyte"])).sum(axis=0)
    measured = np.isfinite(height)
    assert measured.mean() > 0.1
    assert abs(np.median((height - counted)[measured])) < 1.0
    report = launch("report", str(recording), "--json", "--out", str(tmp_path / "figures"))
    scans = json.loads(report.stdout)["cells"]["A"]["scans"]
    assert [scan["complete"] for scan in scans] == [True, True]
    assert all(value is None for key, value in scans[1].items() if key.endswith("_um"))


def test_battery_with_a_text_cycler_file(tmp_path: Path) -> None:
    recording = _published(tmp_path, ["battery_100x728x728.tif"], "tiny.mpt", {})
    with h5py.File(recording / "A" / "scan_0000.h5") as file:
        assert file["entry/reconstruction/data"].shape == (100, 728, 728)
        assert file["entry/ledger/received"][()].all()
    events = (recording / "A" / "events.jsonl").read_text()
    assert "grey levels were not found" in events
