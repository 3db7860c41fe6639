"""Recorded files in the eyes of other programs: pynxtools, silx and plain h5py."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import silx.io
from silx.io import nxdata

from monitor.engine.recorder import Recorder
from monitor.quantities.table import MAPS
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import verify
from monitor.recording.write import cell_master, nexus, scan_file
from monitor.records import SliceFrame
from monitor.sources.volumes import hdf5
from tests.recording.synthetic import NX, NY, Scene, settings, write_scan

SCAN = "A/scan_0000.h5"


def record(folder: Path, scene: Scene | None = None, **experiment: Any) -> Path:
    recorder = Recorder(settings(folder, **experiment))
    write_scan(recorder, scene or Scene(nz=6), 0)
    write_scan(recorder, scene or Scene(nz=6), 1, msg_number=1000, charge_mAh_cm2=1.0)
    recorder.close()
    return recorder.folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def without_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("runs"), record_slices=False)


# --- NXtomoproc -----------------------------------------------------------------------------------


class Said(logging.Handler):
    """What a program says."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def validated(path: Path) -> list[str]:
    """What pynxtools says of a file: the definitions of NeXus that come with it, no network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pynxtools itself
        from pynxtools.dataconverter.validate_file import validate

        said, logger = Said(), logging.getLogger("pynxtools")
        logger.addHandler(said)
        try:
            validate(str(path), ignore_undocumented=True)
        finally:
            logger.removeHandler(said)
    return said.lines


@pytest.mark.parametrize(
    "scene",
    [Scene(nz=6), Scene(nz=6, axis="y", dtype="uint8")],
    ids=["along z", "along y"],
)
@pytest.mark.slow
def test_a_scan_with_slices_is_a_valid_nxtomoproc(tmp_path: Path, scene: Scene) -> None:
    said = validated(record(tmp_path, scene) / SCAN)
    assert "is valid according to the `NXtomoproc` application definition." in said[-1]
    # the source of the radiation is not in the stream: a custom value, which NeXus allows
    assert [line for line in said[:-1] if "/entry/instrument/source/type" not in line] == []


@pytest.mark.slow
def test_in_voxels_nothing_but_the_unit_is_unknown(tmp_path: Path) -> None:
    """NeXus allows any unit there; pynxtools knows no voxel."""
    said = validated(record(tmp_path, Scene(nz=6, voxel_um=None)) / SCAN)
    odd = [line for line in said[:-1] if "/entry/instrument/source/type" not in line]
    assert odd and all("'voxel'" in line and "NX_ANY" in line for line in odd)


@pytest.mark.parametrize("lacking", ["instrument/source", "reconstruction/program", "data/x"])
@pytest.mark.slow
def test_a_scan_that_lacks_something_is_not(recording: Path, tmp_path: Path, lacking: str) -> None:
    shutil.copy(recording / SCAN, tmp_path / "scan.h5")
    with h5py.File(tmp_path / "scan.h5", "r+") as file:
        del file[f"entry/{lacking}"]
    said = validated(tmp_path / "scan.h5")
    assert "NOT valid" in said[-1]


def test_without_slices_no_definition_is_claimed(without_slices: Path) -> None:
    with h5py.File(without_slices / SCAN) as file:
        assert not {"definition", "reconstruction", "data"} & set(file["entry"])
        assert {"instrument", "sample", "process"} <= set(file["entry"])


def test_programs_and_sources_are_named(recording: Path) -> None:
    with h5py.File(recording / SCAN) as file:

        def text(path: str) -> str:
            return str(file[f"entry/{path}"].asstr()[()])

        assert text("process/program") == "pitwatch"
        assert text("process/date") == text("end_time")
        assert (recording / "A" / text("process/parameters/settings")).is_file()
        assert text("reconstruction/program") == "unknown"
        assert text("reconstruction/parameters/stream") == "stream-A"
        assert text("instrument/source/probe") == "x-ray"
        kinds = {name: item.attrs.get("NX_class") for name, item in file["entry"].items()}
    assert kinds["instrument"] == "NXinstrument" and kinds["process"] == "NXprocess"
    assert kinds["reconstruction"] == "NXprocess" and kinds["data"] == "NXdata"


def test_axes_of_the_volume_have_their_lengths(recording: Path) -> None:
    """By our names in `axes`; by those of NXtomoproc in the order of the indices."""
    with h5py.File(recording / SCAN) as file:
        data = file["entry/data"]
        assert data["data"] == file["entry/reconstruction/data"]
        assert [len(data[name]) for name in data.attrs["axes"]] == [6, NY, NX]
        assert [len(data[name]) for name in "xyz"] == [6, NY, NX]
        assert data["x"].attrs["long_name"].startswith("z ")


# --- maps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SCAN, "A/A.nxs"])
@pytest.mark.parametrize("folder", ["recording", "without_slices"])
def test_the_height_is_what_is_shown_first(
    request: pytest.FixtureRequest, folder: str, path: str
) -> None:
    whole = request.getfixturevalue(folder)
    wanted = [scan.map("height") for scan in open_experiment(whole).cells["A"].scans]
    with silx.io.open(str(whole / path)) as file:
        plot = nxdata.get_default(file)
        assert plot is not None and plot.is_valid and plot.issues == []
        assert plot.signal.name == "/entry/interface/height"
        assert plot.interpretation == "image"
        assert plot.axes_dataset_names[-2:] == ["y", "x"]
        assert "removal" in plot.auxiliary_signals_dataset_names
        assert not any("error" in name for name in plot.auxiliary_signals_dataset_names)
        np.testing.assert_allclose(plot.errors[()], 0.3, rtol=1e-6)
        stack = np.stack(wanted) if path.endswith("nxs") else wanted[0]
        np.testing.assert_array_equal(plot.signal[()], stack)
    with h5py.File(whole / path) as file:
        entry = file[file.attrs["default"]]
        group = entry[entry.attrs["default"]]
        np.testing.assert_array_equal(group[group.attrs["signal"]], stack)


@pytest.mark.parametrize("path", [SCAN, "A/A.nxs"])
@pytest.mark.parametrize("group", ["interface", "current_density", "data"])
def test_every_plot_is_valid(recording: Path, group: str, path: str) -> None:
    with silx.io.open(str(recording / path)) as file:
        if group in file["entry"]:
            plot = nxdata.NXdata(file[f"entry/{group}"])
            assert plot.is_valid and plot.issues == []
            for number, name in enumerate(plot.axes_dataset_names):
                indices = file[f"entry/{group}"].attrs[f"{name}_indices"]
                assert indices == number


@pytest.mark.parametrize("path", [SCAN, "A/A.nxs"])
def test_errors_have_both_names(recording: Path, path: str) -> None:
    with h5py.File(recording / path) as file:
        linked = 0
        for group in ("interface", "current_density"):
            maps = file[f"entry/{group}"]
            for name in MAPS:
                if f"{name}_errors" in maps:
                    assert maps[f"{name}_errors"] == maps[f"{name}_error"]
                    assert maps[f"{name}_errors"].attrs["units"] == maps[name].attrs["units"]
                    linked += 1
        assert linked == 5
        assert "absolute_errors" not in file["entry/current_density"]  # its error is a relative one


# --- what did not change --------------------------------------------------------------------------


def test_the_same_messages_make_the_same_file(recording: Path, tmp_path: Path) -> None:
    again = record(tmp_path)
    for name in (SCAN, "A/scan_0001.h5", "A/A.nxs"):
        assert (again / name).read_bytes() == (recording / name).read_bytes()


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording as before there were these names."""
    with monkeypatch.context() as before:
        before.setattr(nexus, "describe", lambda *_, **__: None)
        before.setattr(nexus, "describe_plot", lambda *_: None)
        before.setattr(nexus, "describe_map", lambda *_: None)
        return record(tmp_path / "older")


def test_an_older_recording_is_sound_and_gives_the_same(older: Path, recording: Path) -> None:
    with h5py.File(older / SCAN) as file:
        assert "process" not in file["entry"]
        assert file["entry/reconstruction"].attrs["NX_class"] == "NXdata"
    assert verify(older).found == verify(recording).found == []
    for old, new in zip(
        open_experiment(older).cells["A"].scans,
        open_experiment(recording).cells["A"].scans,
        strict=True,
    ):
        assert old.map_names() == new.map_names() and old.summary() == new.summary()
        for name in old.map_names():
            np.testing.assert_array_equal(old.map(name), new.map(name))
        np.testing.assert_array_equal(old.section("y", 5), new.section("y", 5))
    replayed = [
        [one.data.tobytes() for _, one in replay_records(open_experiment(folder))
         if isinstance(one, SliceFrame)]
        for folder in (older, recording)
    ]  # fmt: skip
    assert replayed[0] == replayed[1] and len(replayed[0]) == 12


def test_an_older_file_is_laid_out_as_it_was() -> None:
    start = Scene(nz=6).start(0, 1.6e9, "reference", "A", 0)
    with h5py.File.in_memory() as file:
        scan_file.lay_out(file, start, keep_slices=True, described=False)
        assert set(file["entry"]) == {
            "current_density", "definition", "end_time", "interface", "ledger", "pits",
            "reconstruction", "sample", "start_time", "summary", "title",
        }  # fmt: skip


def test_an_older_master_is_told_from_a_changed_one(older: Path) -> None:
    with h5py.File(older / "A" / "A.nxs", "r+") as file:
        file["entry/interface"].attrs["auxiliary_signals"] = ["removal"]
    (finding,) = verify(older).found
    assert "differs from the scans" in finding.what
    cell_master.Master(older / "A").write()
    assert verify(older).found == []


def relinked(file: h5py.File) -> None:
    copy = file["entry/interface/height_error"][()] * 2
    del file["entry/interface/height_errors"]
    made = file.create_dataset("entry/interface/height_errors", data=copy)
    made.attrs.update(file["entry/interface/height_error"].attrs)


def another_program(file: h5py.File) -> None:
    file["entry/process/program"][()] = "another"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (relinked, "entry/interface/height_errors is another dataset than"),
        (another_program, "entry/process/program is"),
        (lambda file: file.__delitem__("entry/instrument"), "entry/instrument is missing"),
        (lambda file: file.__delitem__("entry/process"), "is there"),
    ],
)
def test_a_change_is_found(tmp_path: Path, change: Callable[[h5py.File], None], what: str) -> None:
    recording = record(tmp_path)
    with h5py.File(recording / SCAN, "r+") as file:
        change(file)
    found = [one.what for one in verify(recording).found if one.path == recording / SCAN]
    assert any(what in text for text in found)


def test_a_recorded_scan_is_published_with_its_voxel_size(recording: Path) -> None:
    planes = hdf5.read(recording / SCAN, "")
    assert planes.shape == (6, NY, NX) and planes.voxel_size_um == (4.0, 4.0, 4.0)
    assert planes.notes == ()
