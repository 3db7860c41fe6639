"""Files that their writer did not close, whole and damaged, and files of too many things: every
reader ends soon, with an error that names the file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.recording import format
from monitor.recording.read import unclosed_hdf5
from monitor.recording.read.contents import read_contents
from monitor.recording.read.experiment import Scan, open_experiment
from monitor.recording.resume import interrupted
from monitor.recording.verify.experiment import verify
from tests.recording.synthetic import NX, NY, Scene, messages, settings, write_scan

pytestmark = pytest.mark.timeout(120)  # a guard: HDF5 would wait for ever

PART = "A/scan_0001.h5.part"
WRITER = """
import os, sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver=("v110", "v110")) as file:
    for n in range(40):
        group = file.create_group(f"group{n}")
        group.attrs["units"] = "um"
        group.create_dataset("x", data=np.arange(n + 1), chunks=(10,), maxshape=(None,))
    file.swmr_mode = True
    for n in range(40):
        column = file[f"group{n}/x"]
        column.resize((n + 101,))
        column[n + 1:] = n
        column.flush()
    os._exit(0)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole scan, and one in which the recording broke off."""
    folder = tmp_path_factory.mktemp("made")
    recorder = Recorder(settings(folder))
    scene = Scene()
    write_scan(recorder, Scene(nz=5), 0, slices_missing=0)
    volume = scene.volume(np.full((NY, NX), 60.0))
    for record in messages(scene.start(1, 1.7e9, "periodic", "A", 0), volume)[:30]:
        recorder.write("slices", (), record, ())
    assert recorder.drain()
    copy = shutil.copytree(recorder.folder, folder / "killed")
    recorder.close()
    (copy / "engine.lock").unlink()
    return copy


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "trial")


def test_a_file_of_another_program_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "killed.h5"
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True, timeout=100)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path, "r", locking=False)
    assert unclosed_hdf5.is_unclosed(path)
    with (
        unclosed_hdf5.opened_unclosed(path) as file,
        h5py.File(path, "r", libver="latest", swmr=True, locking=False) as other,
    ):
        assert file.filename == str(path)
        for n in range(40):
            assert file[f"group{n}"].attrs["units"] == "um"
            np.testing.assert_array_equal(file[f"group{n}/x"], other[f"group{n}/x"])


def test_the_part_of_an_engine_that_was_killed(folder: Path) -> None:
    path = folder / PART
    assert unclosed_hdf5.is_unclosed(path) and not unclosed_hdf5.is_unclosed(
        folder / "A/scan_0000.h5"
    )
    with h5py.File(path, "r", libver="latest", swmr=True, locking=False) as other:
        np.testing.assert_array_equal(Scan(path).order(), other["entry/ledger/order"])
        with Scan(path).open() as file:
            np.testing.assert_array_equal(file[format.SLICES], other[format.SLICES])
            assert np.asarray(file[format.SLICES]).any()
    assert verify(folder).count("error") == 0


@pytest.mark.parametrize("size", [0, 1, 12, 47, 48, 62, 100, 3000, 8000])
@pytest.mark.slow
def test_a_part_that_was_cut_short(size: int, folder: Path) -> None:
    path = folder / PART
    path.write_bytes(path.read_bytes()[:size])
    _is_named(folder)


@pytest.mark.parametrize("place", [11, 20, 30, 40, 46, 50, 60, 200, 700])
@pytest.mark.slow
def test_a_part_with_a_byte_changed(place: int, folder: Path) -> None:
    path = folder / PART
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)
    found = verify(folder)  # HDF5 does not look at all bytes
    assert found.checked["scans"] in (1, 2)
    assert found.checked["scans"] == 2 or not found.is_sound(path)
    read_contents(open_experiment(folder).cells["A"])
    interrupted.mend(folder)


def _is_named(folder: Path) -> None:
    """By `verify`, and by what `open`, `report`, `replay` and `reprocess` read scans with."""
    path = folder / PART
    assert not verify(folder).is_sound(path)
    with pytest.raises(RecordingError, match="scan_0001"):
        Scan(path).order()
    contents = read_contents(open_experiment(folder).cells["A"])
    assert [problem.scan for problem in contents.problems] == [1]
    interrupted.mend(folder)
    assert not path.exists(), "it holds nothing, and would be in the way"


GROUPS = ("/", "entry", "entry/summary", "entry/pits", "entry/ledger", "entry/interface")


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.slow
def test_more_datasets_than_any_file_has(group: str, folder: Path) -> None:
    path = folder / "A" / "scan_0000.h5"
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        for number in range(2100):
            file[group][f"x{number}"] = 1.0
    found = verify(folder)
    (one,) = [f for f in found.found if f.path == path]
    assert "more objects" in one.what and "2000 at most" in one.what
    if group in ("entry/summary", "entry/pits"):
        with pytest.raises(RecordingError, match="1000 at most"):
            Scan(path).summary() if group == "entry/summary" else Scan(path).pits()


@pytest.mark.parametrize("group", [*GROUPS[:3], "entry/interface/height"])
@pytest.mark.slow
def test_more_attributes_than_any_group_has(group: str, folder: Path) -> None:
    path = folder / "A" / "scan_0000.h5"
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        for number in range(1100):
            file[group].attrs[f"x{number}"] = 1
    (one,) = [f for f in verify(folder).found if f.path == path]
    assert "attributes" in one.what and "1000 at most" in one.what
