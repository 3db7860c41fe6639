"""docs/how-to/from-files.md: its commands, as they stand there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tifffile

from monitor import settings
from tests.helpers.pages import Page, Terminals
from tests.helpers.waiting import PATIENCE_S, PatientWatcher, eventually
from tests.sources.cyclers import bdf_files
from tests.system.running import scans_done
from tests.system.test_publish_files import volume, write_wave

pytestmark = pytest.mark.slow

PAGE = Page("from-files.md")
ENGINE, PUBLISH, PUBLISH_BDF, ENGINE_AGAIN, FOLDER, FOLLOW, *RESULTS = PAGE.commands()
SETTINGS, FOLDERS = PAGE.blocks("toml")
SCANS = 3


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    made = Terminals(tmp_path, QT_QPA_PLATFORM="offscreen")
    yield made
    made.close()


def start_engine(terminals: Terminals, line: str, *more: str) -> Any:
    """Its process, once it answers: `publish` gives an engine that it is told of 2 s for that."""
    process = terminals.start(line, *more)
    watcher = PatientWatcher(settings.load(terminals.folder / "my.toml").results.pull)
    try:
        watcher.until(lambda state: True, PATIENCE_S, lambda: process.poll() is None)
    finally:
        watcher.close()
    return process


def scans(
    terminals: Terminals, process: Any, count: int = SCANS, readings: int = 0
) -> list[dict[str, Any]]:
    """Of the engine that runs, once so many are done, and so many readings received."""
    watcher = PatientWatcher(settings.load(terminals.folder / "my.toml").results.pull)

    def met(state: Any) -> bool:
        points: int = state["cells"]["A"]["cycler_points"]
        return len(scans_done(state)) >= count and points >= readings

    try:
        return scans_done(watcher.until(met, PATIENCE_S, lambda: process.poll() is None))
    finally:
        watcher.close()


def places(terminals: Terminals, *, slices: bool) -> tuple[str, ...]:
    """The addresses of the settings, for `publish`."""
    at = settings.load(terminals.folder / "my.toml")
    readings = (
        "--documents-out", at.feeds.documents[0], "--documents-in", at.simulator.documents_in,
        "--engine", at.results.pull,
    )  # fmt: skip
    return ("--endpoint", at.feeds.slices[0], *readings) if slices else readings


def test_volumes_and_cycler_files_become_tables_and_figures(terminals: Terminals) -> None:
    pytest.importorskip("distributed", reason="the extra reprocess is not installed")
    pytest.importorskip("meshio", reason="the extra export is not installed")
    folder = terminals.folder
    write_wave(folder / "cell.mpt")
    bdf_files.save(bdf_files.frame(400), folder / "cell.bdf.csv")
    for scan in range(SCANS):
        tifffile.imwrite(folder / f"scan_{scan}.tif", volume(60 - scan, scan))
    terminals.write_settings(SETTINGS)
    running = start_engine(terminals, ENGINE)
    terminals.run(PUBLISH, *places(terminals, slices=True))
    done = scans(terminals, running)
    assert [scan["complete"] for scan in done] == [True] * SCANS
    assert all(scan["charge_mAh"] is not None for scan in done)
    terminals.end(running)

    verify, report, reprocess, csv, vtk, open_it = RESULTS
    assert "0 errors" in terminals.run(verify).stdout
    terminals.run(report)
    assert list((folder / "runs" / "files").rglob("*_height_maps.png"))
    terminals.run(reprocess)
    again = json.loads(terminals.run("pitwatch report runs/files-again --json").stdout)
    assert len(again["cells"]["A"]["scans"]) == SCANS
    terminals.run(csv)
    terminals.run(vtk)
    exported = folder / "runs" / "files" / "export"
    assert (exported / "scans.csv").is_file() and (exported / "A.pvd").is_file()
    assert open_it == "pitwatch open runs/files"  # a window: tests/system/test_open.py

    running = start_engine(terminals, ENGINE, "--new")
    terminals.run(PUBLISH_BDF, *places(terminals, slices=True))
    assert all(scan["charge_mAh"] is not None for scan in scans(terminals, running))
    terminals.end(running)


@pytest.mark.parametrize("named", [False, True], ids=["by a command", "in the settings"])
def test_a_folder_is_published_while_it_fills(named: bool, terminals: Terminals) -> None:
    texts = (SETTINGS, FOLDERS) if named else (SETTINGS,)
    path = terminals.write_settings(*texts)
    folder = terminals.folder / "recs"
    running = start_engine(terminals, ENGINE_AGAIN)
    if not named:
        folder.mkdir()
        terminals.start(FOLDER, "--endpoint", settings.load(path).feeds.slices[0])
    write_wave(terminals.folder / "cell.mpt")
    follower = terminals.start(FOLLOW, *places(terminals, slices=False))
    folder.mkdir(exist_ok=True)
    for scan in range(2):
        for index, plane in enumerate(volume(60 - scan, scan)):
            tifffile.imwrite(folder / f"rec_{scan:04d}_{index:05d}.tif", plane)
    done = scans(terminals, running, 2, readings=361)
    assert [scan["complete"] for scan in done] == [True, True]
    eventually(lambda: (folder / ".pitwatch_A.json").is_file())
    terminals.end(follower)
    terminals.end(running)
