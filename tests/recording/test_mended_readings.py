"""`verify --repair` writes the file of the readings again from the journal, which has them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.engine.recorder import Recorder
from monitor.recording import format
from monitor.recording.folder_lock import LOCK_FILE
from monitor.recording.read.experiment import open_experiment
from monitor.recording.verify.experiment import verify
from monitor.recording.verify.repair import repair
from tests.recording.synthetic import cycler_event, cycler_run, settings

COUNT = 7


@pytest.fixture
def folder(tmp_path):
    """Readings of one cell, and no scans."""
    recorder = Recorder(settings(tmp_path))
    events = (cycler_event("A", 1.6e9 + n, 0.1 * n, n) for n in range(COUNT))
    for document in (*cycler_run("A"), *events):
        recorder.write("documents", (), document, ())
    recorder.close()
    return recorder.folder


def left_open(path: Path, rows: int = COUNT) -> None:
    """As a writer leaves it that is killed while it has the file open."""
    with h5py.File(path, "r+", libver=format.HDF5_VERSION, locking=False) as file:
        for name in format.CYCLER_COLUMNS:
            file[name].resize((rows,))
        file.swmr_mode = True
        file.flush()
        copy = shutil.copy(path, path.with_name("copy"))
    Path(copy).replace(path)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def missing(path: Path) -> None:
    path.unlink()


def changed(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["current_mA"][3] = 1.0


def shortened(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in format.CYCLER_COLUMNS:
            file[name].resize((COUNT - 2,))


def short_and_open(path: Path) -> None:
    left_open(path, COUNT - 2)


def another_column(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["cycle"]
        file["cycle"] = h5py.ExternalLink("other.h5", "/cycle")


HARMS = [left_open, torn, emptied, missing, changed, shortened, short_and_open, another_column]


def columns(path: Path) -> dict[str, np.ndarray]:
    """With plain h5py."""
    with h5py.File(path, "r") as file:
        return {name: file[name][...] for name in format.CYCLER_COLUMNS}


@pytest.mark.parametrize("broke_off", [False, True], ids=["ended", "was interrupted"])
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.slow
def test_readings_are_written_again_from_the_journal(folder, harm, broke_off):
    path = folder / "A" / format.CYCLER_FILE
    whole = columns(path)
    harm(path)
    before = path.read_bytes() if path.exists() else None
    if broke_off:
        (folder / LOCK_FILE).touch()
    told = [f for f in verify(folder).found if f.path == path]
    assert [f.mend for f in told] == ["readings"] * len(told) and told
    assert all("`--repair` writes it again from the journal" in f.todo for f in told)
    done = repair(folder, verify(folder))
    assert any(f"with {COUNT} readings" in line for line in done)
    for name, column in columns(path).items():
        np.testing.assert_array_equal(column, whole[name])
    kept = path.with_name(path.name + ".broken")
    assert (kept.read_bytes() if before is not None else None) == before
    assert [f.severity for f in verify(folder).found] == ["note"] * (before is not None)
    assert repair(folder, verify(folder)) == []
    assert len(open_experiment(folder).cells["A"].cycler()["time"]) == COUNT


def test_without_a_sound_journal_nothing_is_made_up(folder):
    path = folder / "A" / format.CYCLER_FILE
    emptied(path)
    journal = folder / format.JOURNAL_FILE
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"vmp_current", b"vmp_currenT")
    journal.write_bytes(b"".join(lines))
    assert [f.mend for f in verify(folder).found if f.path == path] == [""]
    assert repair(folder, verify(folder)) == []
    assert path.read_bytes() == b""


def test_a_sound_file_is_left_alone(folder):
    path = folder / "A" / format.CYCLER_FILE
    before = path.read_bytes()
    (folder / LOCK_FILE).touch()
    assert repair(folder, verify(folder)) == [
        f"{LOCK_FILE}: no engine held it, and it was removed; the recording stays as it is"
    ]
    assert path.read_bytes() == before and verify(folder).found == []
