"""What is chosen, where it is written, and what is said if something is missing or damaged."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import h5py
import pytest
from typer.testing import CliRunner, Result

from monitor.cli.command_line import app
from monitor.errors import RecordingError
from monitor.export import run
from monitor.export.recorded import Output, choose
from monitor.recording.read.experiment import Scan, open_experiment
from monitor.recording.verify.experiment import verify
from tests.export.made_up import export, record


def command(recording: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["export", str(recording), *options], env={"COLUMNS": "500"})


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], {f"{cell}/scan_000{n}.vtu" for cell in "AB" for n in range(3)} | {"A.pvd", "B.pvd"}),
        (["--cell", "B"], {f"B/scan_000{n}.vtu" for n in range(3)} | {"B.pvd"}),
        (["--cell", "A", "--scans", "1-2"], {"A/scan_0001.vtu", "A/scan_0002.vtu", "A.pvd"}),
        (["--cell", "A", "--scans", "0,2-9"], {"A/scan_0000.vtu", "A/scan_0002.vtu", "A.pvd"}),
    ],
)
def test_cells_and_scans_are_chosen(
    recording: Path, tmp_path: Path, options: list[str], wanted: set[str]
) -> None:
    done = command(recording, "--to", "vtk", "--out", str(tmp_path), *options)
    assert done.exit_code == 0, done.output
    assert files_in(tmp_path) == wanted
    assert f"written to {tmp_path}" in done.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "stl"], "--to: got 'stl', expected tiff, vtk, zarr, csv, bdf"),
        (["--to", "csv", "--cell", "C"], "--cell: got 'C', expected A, B"),
        (["--to", "csv", "--scans", "7-9"], "--scans: got '7-9', expected scans that are complete"),
        (["--to", "csv", "--scans", "first"], "expected numbers and ranges such as 0-5,8"),
        (["--to", "csv", "--scans", "1-2-3"], "expected numbers and ranges such as 0-5,8"),
    ],
)
def test_a_wrong_choice_is_named(
    recording: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    done = command(recording, "--out", str(tmp_path / "out"), *options)
    assert done.exit_code == 2 and said in done.output
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_unasked(recording: Path, tmp_path: Path) -> None:
    export(recording, "csv", tmp_path)
    (tmp_path / "pits.csv").write_text("mine")
    again = command(recording, "--to", "csv", "--out", str(tmp_path))
    assert again.exit_code == 2
    assert "expected a folder without scans.csv and 1 more" in again.output
    assert "--overwrite" in again.output
    assert (tmp_path / "pits.csv").read_text() == "mine"
    export(recording, "bdf", tmp_path)  # of other names: beside them
    assert command(recording, "--to", "csv", "--out", str(tmp_path), "--overwrite").exit_code == 0
    assert (tmp_path / "pits.csv").read_text("utf-8").startswith("cell,scan,time,id")


def test_a_folder_is_replaced_as_a_whole(recording: Path, tmp_path: Path) -> None:
    export(recording, "zarr", tmp_path, cells=["A"])
    (tmp_path / "A.ome.zarr" / "old").write_text("")
    export(recording, "zarr", tmp_path, cells=["A"], overwrite=True)
    assert not (tmp_path / "A.ome.zarr" / "old").exists()


def test_by_default_it_is_in_the_recording_which_stays_sound(tmp_path: Path) -> None:
    recording = record(tmp_path, scans=1)
    (recording / "A" / "cycler.h5").unlink()  # the made-up readings are in no journal
    before = [str(one) for one in verify(recording).found]
    assert command(recording, "--to", "tiff").exit_code == 0
    assert (recording / "export" / "A" / "height_um" / "scan_0000.tif").is_file()
    assert [str(one) for one in verify(recording).found] == before


def test_a_link_in_the_recording_is_not_followed(tmp_path: Path) -> None:
    recording, elsewhere = record(tmp_path / "runs", scans=1), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (recording / "export").mkdir()
    (recording / "export" / "A").symlink_to(elsewhere)
    done = command(recording, "--to", "vtk")
    assert done.exit_code == 1 and "link" in done.output
    assert list(elsewhere.iterdir()) == []


def test_a_damaged_scan_costs_itself_alone(tmp_path: Path) -> None:
    recording = record(tmp_path / "runs")
    with h5py.File(recording / "A" / "scan_0001.h5", "r+") as file:
        del file["entry/interface/height"]
        file["entry/interface/height"] = 1.0
    done = command(recording, "--to", "vtk", "--out", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "scan_0001.h5: is damaged" in done.output and "pitwatch verify" in done.output
    made = files_in(tmp_path / "out")
    assert made == {"A/scan_0000.vtu", "A/scan_0002.vtu", "A.pvd"}


def test_damaged_readings_cost_their_cell_alone(tmp_path: Path) -> None:
    recording = record(tmp_path / "runs", "A", "B", scans=1)
    shutil.copy(recording / "A" / "cycler.h5", recording / "B" / "cycler.h5")
    (recording / "A" / "cycler.h5").write_bytes(b"damaged")
    done = command(recording, "--to", "bdf", "--out", str(tmp_path / "out"))
    assert done.exit_code == 1 and "A/cycler.h5: cannot be read" in done.output
    assert files_in(tmp_path / "out") == {"B.bdf.csv"}


@pytest.mark.parametrize("to", ["tiff", "vtk", "zarr", "csv"])
def test_no_map_is_read_to_say_what_will_be_written(
    recording: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    cells, problems = choose(open_experiment(recording), [], "")
    monkeypatch.setattr(Scan, "map", lambda *_: pytest.fail("a map is read"))
    assert run.EXPORTERS[to].outputs(cells) and problems == []


@pytest.mark.parametrize(("to", "module"), [("vtk", "meshio"), ("zarr", "zarr")])
def test_missing_software_is_named(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, module: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(run, "find_spec", lambda name: None if name == module else real(name))
    done = command(recording, "--to", to, "--out", str(tmp_path))
    assert done.exit_code == 1
    assert f"{module}, which is not installed" in done.output
    assert "pip install 'pitwatch[export]'" in done.output


def test_a_full_disk_ends_it_and_leaves_no_part(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def full(path: Path) -> None:
        tried.append(path)
        path.write_text("half")
        raise OSError(28, "No space left on device")

    class Full:
        SOFTWARE = None

        @staticmethod
        def outputs(cells: object) -> list[Output]:
            return [Output(Path("one.csv"), full), Output(Path("two.csv"), full)]

    monkeypatch.setattr(run, "EXPORTERS", {"csv": Full})
    with pytest.raises(RecordingError, match=r"one.csv: cannot be written \(No space left"):
        export(recording, "csv", tmp_path / "out")
    assert len(tried) == 1 and files_in(tmp_path / "out") == set()


def test_an_output_that_is_not_a_folder_is_named(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    done = command(recording, "--to", "csv", "--out", str(tmp_path / "out"))
    assert done.exit_code == 1 and "is not a folder" in done.output
    assert (tmp_path / "out").read_text() == "mine"


def test_a_recording_without_readings_says_so(recording: Path, tmp_path: Path) -> None:
    done = command(recording, "--to", "bdf", "--cell", "B", "--out", str(tmp_path))
    assert done.exit_code == 1 and "nothing that can be exported to bdf" in done.output
