"""Who records into a folder: locks that are held, and file systems without any."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.recording import folder_lock
from monitor.recording.folder_lock import LOCK_FILE, FolderLock, held, is_growing, is_interrupted
from monitor.recording.resume.interrupted import interrupted
from monitor.recording.verify.experiment import verify
from monitor.recording.verify.repair import repair
from monitor.recording.write.new_experiment import create_experiment
from tests.recording.synthetic import settings

WITHOUT_LOCKS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO]


@pytest.fixture(params=WITHOUT_LOCKS, ids=lambda code: errno.errorcode[code])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As on NFS without its lock service, or Lustre that is mounted without `flock`."""

    def flock(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(folder_lock.fcntl, "flock", flock)
    return os.strerror(request.param)


def test_a_lock_that_is_held_stops_the_second_engine(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(RecordingError, match=r"another engine records into it \(engine.lock is he"):
        FolderLock(tmp_path)
    assert is_growing(tmp_path) and not is_interrupted(tmp_path)
    lock.release(broken=True)
    assert is_interrupted(tmp_path) and not is_growing(tmp_path)
    FolderLock(tmp_path).release()
    assert not (tmp_path / LOCK_FILE).exists()


def test_two_engines_that_go_on_at_once_are_one(tmp_path: Path) -> None:
    made = settings(tmp_path)
    recorder = Recorder(made)
    recorder.leave_broken()
    recorder.close()
    first = Recorder(made, go_on=recorder.folder)
    with pytest.raises(RecordingError, match="another engine records into it"):
        Recorder(made, go_on=recorder.folder)
    assert is_growing(recorder.folder)
    first.leave_broken()
    first.close()
    assert is_interrupted(recorder.folder)


def test_who_only_looks_does_not_keep_an_engine_out(tmp_path: Path) -> None:
    """`verify` and `open` hold the lock for a moment, shared."""
    FolderLock(tmp_path).release(broken=True)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_growing(tmp_path)

    looking = [threading.Thread(target=look) for _ in range(3)]
    for thread in looking:
        thread.start()
    try:
        for _ in range(50):
            lock = FolderLock(tmp_path)
            assert not lock.problem
            lock.release(broken=True)
    finally:
        stop.set()
        for thread in looking:
            thread.join()


def test_without_locks_it_is_recorded_and_told(tmp_path: Path, no_locks: str) -> None:
    made = settings(tmp_path)
    recorder = Recorder(made)
    assert no_locks in recorder.problem and "no locks" in recorder.problem
    (trouble,) = recorder.troubles()
    assert (trouble.part, trouble.failing, trouble.text) == ("lock", True, recorder.problem)
    assert is_growing(recorder.folder) and not is_interrupted(recorder.folder)
    with pytest.raises(RecordingError, match="another engine"):
        Recorder(made, go_on=recorder.folder)
    recorder.leave_broken()
    recorder.close()
    assert is_interrupted(recorder.folder) and not is_growing(recorder.folder)
    found, why_not = interrupted(made, tmp_path)
    assert found is not None and found.path == recorder.folder and why_not == ""
    again = Recorder(made, go_on=recorder.folder)
    again.close()
    assert not (recorder.folder / LOCK_FILE).exists()


@pytest.mark.slow
def test_without_locks_a_killed_engine_is_gone_on_with(tmp_path: Path, no_locks: str) -> None:
    folder = create_experiment(settings(tmp_path), tmp_path)
    code = (
        "import sys, pathlib; from monitor.recording.folder_lock import FolderLock\n"
        f"lock = FolderLock(pathlib.Path({str(folder)!r})); print('up', flush=True)\n"
        "sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        assert is_growing(folder), "another process's, by what stands in the file"
        findings = verify(folder)
        assert findings.count("note"), "told as one that grows"
        process.kill()
        process.wait()
        assert is_interrupted(folder) and not is_growing(folder)
    assert repair(folder, verify(folder)), "which lets go of it"


def test_without_locks_another_machine_s_recording_is_left_alone(
    tmp_path: Path, no_locks: str
) -> None:
    made = settings(tmp_path)
    folder = create_experiment(made, tmp_path)
    owner = {"host": "beamline-7", "pid": 1, "since": ""}
    (folder / LOCK_FILE).write_text(json.dumps(owner), "utf-8")
    assert is_growing(folder)
    found, why_not = interrupted(made, tmp_path)
    assert found is None and "beamline-7" in why_not and no_locks in why_not
    with pytest.raises(OSError, match="held"), held(folder):
        pass
    (folder / LOCK_FILE).write_bytes(b"")
    found, why_not = interrupted(made, tmp_path)
    assert found is not None and why_not == ""


@pytest.mark.parametrize("said", [b"", b"{", b"[1]", b'{"host": 3}', b"\xff\xfe"])
def test_a_lock_file_of_any_text_belongs_to_nobody(tmp_path: Path, said: bytes) -> None:
    """Older versions wrote none."""
    (tmp_path / LOCK_FILE).write_bytes(said)
    assert is_interrupted(tmp_path) and not is_growing(tmp_path)


def test_a_number_of_a_process_that_is_another_s_now(tmp_path: Path, no_locks: str) -> None:
    lock = FolderLock(tmp_path)
    owner = json.loads((tmp_path / LOCK_FILE).read_bytes())
    (tmp_path / LOCK_FILE).write_text(json.dumps(owner | {"since": "1"}), "utf-8")
    assert is_interrupted(tmp_path)
    lock.release()


def test_a_folder_that_takes_no_lock_file_is_told(tmp_path: Path) -> None:
    made = settings(tmp_path)
    recorder = Recorder(made)
    recorder.leave_broken()
    recorder.close()
    (recorder.folder / LOCK_FILE).unlink()
    (recorder.folder / LOCK_FILE).mkdir()
    with pytest.raises(RecordingError, match="cannot be written"):
        Recorder(made, go_on=recorder.folder)
