"""A file waits for a descriptor, and what is missing is named."""

import errno
import os
import resource

import h5py
import pytest

from monitor.engine.recorder import Recorder
from monitor.recording import file_descriptors
from monitor.recording.read.experiment import open_experiment
from monitor.settings import parse
from tests.core.phantom import columns, noisy, records, start
from tests.recording.synthetic import NX, Scene, cycler_event, cycler_run, settings, write_scan


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """Descriptors for files, of which none is kept yet."""
    made = file_descriptors._Kept()
    monkeypatch.setattr(file_descriptors, "_kept", made)
    return made


@pytest.fixture
def exhausted(tmp_path):
    """exhaust() → free(): takes every descriptor; all are given back at the end."""
    held = []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, limits[1]), limits[1]))

    def free():
        while held:
            os.close(held.pop())

    def exhaust():
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
        return free

    yield exhaust
    free()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_hdf5_file_waits_until_descriptors_are_free(tmp_path, exhausted, monkeypatch):
    free, tries = exhausted(), []

    def opening():
        tries.append(1)
        if len(tries) == 3:
            free()
        return h5py.File(tmp_path / "x.h5", "w")

    file_descriptors.when_free(opening).close()
    assert len(tries) == 3


@pytest.mark.parametrize("how", ["plain", "hdf5"])
def test_files_get_descriptors_that_connections_do_not(tmp_path, kept, exhausted, how):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept.begin()
    exhausted()
    for number in range(3):
        path = tmp_path / f"{number}.h5"
        opened = file_descriptors.when_free(
            lambda path=path: path.open("wb") if how == "plain" else h5py.File(path, "w")
        )
        with pytest.raises(OSError) as caught:  # who does not ask has none
            os.open("/dev/null", os.O_RDONLY)
        assert caught.value.errno == errno.EMFILE
        with opened as file:
            if how == "hdf5":
                file["a"] = [number]
            else:
                file.write(b"a")
        assert path.stat().st_size
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (
        limits[0] - file_descriptors.KEPT,
        limits[1],
    )


@pytest.mark.parametrize("record_slices", [True, False])
def test_scans_and_readings_are_recorded_though_connections_have_all_other_descriptors(
    tmp_path, kept, exhausted, record_slices
):
    """Nothing that the recorder does may open a file in another way."""
    recorder = Recorder(settings(tmp_path, record_slices=record_slices))
    kept.begin()
    free = exhausted()
    try:
        for record in cycler_run("A"):
            recorder.write("documents", (), record, ())
        for number in range(3):
            recorder.write("documents", (), cycler_event("A", 1.6e9 + number, 0.1, number), ())
            write_scan(recorder, Scene(), number)
            assert recorder.drain()
        assert recorder.status["failures"] == 0, recorder.troubles()
        assert recorder.stored_map("A", 2, "height") is not None
        if record_slices:
            assert recorder.section("A", 2, "y", 0).shape == (40, NX)
    finally:
        free()
        recorder.close()
    assert recorder.status["failures"] == 0
    cell = open_experiment(recorder.folder).cells["A"]
    assert [scan.complete for scan in cell.scans] == [True] * 3
    assert len(cell.cycler()["time"]) == 3


@pytest.mark.parametrize("how", ["plain", "hdf5"])
def test_want_of_descriptors_is_told_from_other_failures(tmp_path, exhausted, monkeypatch, how):
    monkeypatch.setattr(file_descriptors, "PATIENCE_S", 0.1)
    path = tmp_path / "x.h5"
    path.write_bytes(b"")
    free = exhausted()
    with pytest.raises(OSError) as caught:
        file_descriptors.when_free(lambda: path.open() if how == "plain" else h5py.File(path, "w"))
    free()
    assert file_descriptors.are_exhausted(caught.value)
    assert not file_descriptors.are_exhausted(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError) as caught:
        h5py.File(path, "r")
    assert not file_descriptors.are_exhausted(caught.value)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_the_recorder_names_it_and_records_when_there_are_some_again(tmp_path, monkeypatch, code):
    monkeypatch.setattr(file_descriptors, "PATIENCE_S", 0.05)
    real, refuses = h5py.File, [True]

    def opening(*arguments, **options):
        if refuses[0]:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr("monitor.recording.write.scan_file.h5py.File", opening)
    recorder = Recorder(parse({"experiment": {"data_dir": str(tmp_path)}}))
    try:
        volume = noisy(columns([[2.0] * 8] * 8, [[5.0] * 8] * 8, 6))
        messages = records(start(volume.shape), volume)
        for record in messages[:2]:
            recorder.write("slices", (), record, ())
        recorder.drain()
        (trouble,) = recorder.troubles()
        assert "too many open files" in trouble.text
        assert "free some space" not in trouble.text
        refuses[0] = False
        for record in messages[2:]:
            recorder.write("slices", (), record, ())
        assert recorder.drain()
        assert recorder.status["slices"] == 6
    finally:
        recorder.close()
