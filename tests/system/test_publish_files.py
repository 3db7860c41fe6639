"""Files published into a real engine: charge exactly that of the file, nothing not understood."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - the filter of recorded slices
import numpy as np
import pytest
import tifffile
from PIL import Image

from monitor import settings
from tests.sources.cyclers.whole import read_cycler
from tests.system.running import PATIENCE_S, PROGRAM, engine, launch, scans_done, write_config

SAMPLES = Path(os.environ.get("PITWATCH_SAMPLES", "/nonexistent"))
HEADER = (
    "EC-Lab ASCII FILE\r\nNb header lines : 4\r\n"
    "Acquisition started on : 09/24/2023 10:11:12.000\r\n"
)
NAMES = "mode\tox/red\tNs\ttime/s\tEwe/V\t<I>/mA\t(Q-Qo)/mA.h\tcycle number\r\n"
READING_MAH = 0.25 * 20 / 3600


def write_wave(path: Path) -> None:
    """0.25 mA whose sign changes every 700 s, a reading every 20 s, for two hours."""
    charge_mAh, lines = 0.0, []
    for row, time_s in enumerate(np.arange(0.0, 7201.0, 20.0)):
        current_mA = 0.25 if int(time_s // 700) % 2 else -0.25
        charge_mAh += current_mA * 20 / 3600 if row else 0.0
        lines.append(f"1\t0\t0\t{time_s:.6E}\t2.1\t{current_mA:.6E}\t{charge_mAh:.6E}\t1.0\r\n")
    path.write_bytes((HEADER + NAMES + "".join(lines)).encode("cp1252"))


def volume(top: int, seed: int) -> Any:
    z = np.arange(90)[:, None, None]
    grey = np.where(z < 12, 45000, np.where(z < top, 20000, 26000))
    noise = np.random.default_rng(seed).normal(0, 2000, (90, 160, 160))
    return np.clip(grey + noise, 1, 65535).astype(np.uint16)


def published(config: Path, volumes: list[Path], cycler: Path, *more: str) -> Any:
    at = settings.load(config).simulator
    return launch(
        "publish", *map(str, volumes), "--cycler", str(cycler), "--endpoint", at.slices,
        "--documents-in", at.documents_in, "--documents-out", at.documents_out, *more,
    )  # fmt: skip


@pytest.mark.parametrize("named", [True, False])
def test_the_charge_of_every_scan_is_that_of_the_file(named: bool, tmp_path: Path) -> None:
    """Scans sent without a pause, while the current changes its sign."""
    write_wave(tmp_path / "wave.mpt")
    scans = [tmp_path / f"scan_{k}.tif" for k in range(3)]
    for k, path in enumerate(scans):
        tifffile.imwrite(path, volume(60 - k, k), photometric="minisblack")
    config = write_config(tmp_path)
    pull = settings.load(config).results.pull
    with engine(config) as (process, watcher):
        more = ("--engine", pull) if named else ()
        sent = published(config, scans, tmp_path / "wave.mpt", "--voxel-um", "0.717", *more)
        assert sent.returncode == 0, sent.stderr
        state = watcher.until(
            lambda s: len(scans_done(s)) == 3 and s["cells"]["A"]["cycler_points"] == 361,
            PATIENCE_S,
            lambda: process.poll() is None,
        )
    table = read_cycler(tmp_path / "wave.mpt")
    middles = np.array([90.0, 1890.0, 3690.0])  # half a tenth of 1800 s after each start
    charge = np.interp(middles, table.time_s, table.charge_mAh)
    for scan, expected in zip(scans_done(state), np.abs(charge - charge[0]), strict=True):
        assert scan["charge_mAh"] == pytest.approx(expected, abs=READING_MAH)
    assert state["feeds"]["documents"]["bad"] == {}
    assert state["feeds"]["documents"]["readings"] == 361


def test_a_cycler_file_alone_is_followed_and_each_reading_sent_once(tmp_path: Path) -> None:
    """Begun with a part of the file, stopped, and started again while the rest is appended."""
    write_wave(tmp_path / "wave.mpt")
    lines = (tmp_path / "wave.mpt").read_bytes().splitlines(keepends=True)
    growing = tmp_path / "growing.mpt"
    growing.write_bytes(b"".join(lines[:104]))
    config = write_config(tmp_path)
    pull = settings.load(config).results.pull
    with engine(config) as (process, watcher):

        def has(readings: int) -> Any:
            return watcher.until(
                lambda s: s["cells"]["A"]["cycler_points"] == readings,
                PATIENCE_S,
                lambda: process.poll() is None,
            )

        done = published(config, [], growing, "--engine", pull)
        assert done.returncode == 0, done.stderr
        has(100)
        growing.write_bytes(b"".join(lines[:204]))
        at = settings.load(config).simulator
        command = [sys.executable, str(PROGRAM), "publish", "--cycler", str(growing), "--follow"]
        command += ["--documents-in", at.documents_in, "--documents-out", at.documents_out]
        with subprocess.Popen(
            [*command, "--engine", pull], stderr=subprocess.PIPE, text=True
        ) as follower:
            has(200)
            with growing.open("ab") as file:
                file.write(b"".join(lines[204:]))
            state = has(361)
            follower.terminate()
            _, said = follower.communicate(timeout=PATIENCE_S)
        assert follower.returncode == 0, said
    assert "cycler growing.mpt: 200 readings" in said
    assert state["feeds"]["documents"]["bad"] == {}
    assert state["feeds"]["documents"]["readings"] == 361


def test_a_codec_that_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("imagecodecs is installed: LZW is read")
    pages = [Image.fromarray(plane) for plane in volume(60, 0)[:4]]
    path = tmp_path / "scan.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")
    done = launch("publish", str(path))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "scan.tif: page 0 is compressed with LZW" in line and "pitwatch[tiff]" in line


def test_real_volumes_in_three_formats_walk_through(tmp_path: Path) -> None:
    """The walk of docs/tutorials/files.md."""
    if not SAMPLES.is_dir():
        pytest.skip("PITWATCH_SAMPLES does not name the folder of real samples")
    pytest.importorskip("galvani")
    whole = tifffile.imread(SAMPLES / "tomo" / "battery_100x728x728.tif")
    crops = [whole[:, 100 + 200 * k : 220 + 200 * k, 200:340] for k in range(3)]
    tifffile.imwrite(
        tmp_path / "scan_0.tif", crops[0], compression="zlib", photometric="minisblack"
    )
    with h5py.File(tmp_path / "scan_1.h5", "w") as file:
        file["entry0000/reconstruction/results/data"] = crops[1]
    (tmp_path / "scan_2").mkdir()
    for index, plane in enumerate(crops[2]):
        tifffile.imwrite(tmp_path / "scan_2" / f"rec_{index:05d}.tiff", plane)
    (tmp_path / "scan_2" / "._rec_00001.tiff").write_bytes(b"Mac OS X")
    config = write_config(tmp_path)
    scans = [tmp_path / name for name in ("scan_0.tif", "scan_1.h5", "scan_2")]
    cycler = SAMPLES / "eclab" / "li_li_tegdme_gcpl.mpr"
    with engine(config) as (process, watcher):
        sent = published(
            config, scans, cycler, "--cycler-time", "scaled",
            "--engine", settings.load(config).results.pull,
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        state = watcher.until(
            lambda s: len(scans_done(s)) == 3 and s["feeds"]["documents"]["readings"] == 109,
            PATIENCE_S,
            lambda: process.poll() is None,
        )
    assert "left out, not slices of the stack: ._rec_00001.tiff" in sent.stderr
    assert "cycler li_li_tegdme_gcpl.mpr: 109 readings" in sent.stderr
    assert [scan["complete"] for scan in scans_done(state)] == [True, True, True]
    for scan, crop in enumerate(crops):
        with h5py.File(tmp_path / "runs" / "demo" / "A" / f"scan_{scan:04d}.h5") as file:
            np.testing.assert_array_equal(file["entry/reconstruction/data"][()], crop)
    checked = launch("verify", str(tmp_path / "runs" / "demo"), "--json")
    totals = json.loads(checked.stdout)["totals"]
    assert (totals["errors"], totals["warnings"]) == (0, 0)
