"""Disks that are full, each mounted for it in a namespace of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.recording.read.experiment import open_experiment
from monitor.recording.verify.experiment import verify
from monitor.recording.write.experiment import Message
from monitor.recording.write.second_recording import SecondRecording
from tests.helpers.alone import run_alone
from tests.recording.synthetic import Scene, cycler_event, cycler_run, messages, result, settings

SMALL_DISKS = Path(__file__).with_name("small_disks.py")
MOUNTS = ["unshare", "--map-root-user", "--mount"]


def problem(folder: Path) -> str:
    """Why nothing can be mounted here; "" where it can."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return "unshare and mount (util-linux, mount) are needed"
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    tried = subprocess.run([*MOUNTS, *mount], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else ""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_small_disks(tmp_path: Path) -> None:
    why = problem(tmp_path)
    if why:
        pytest.skip(f"no disk can be mounted here: {why}")
    run_alone(MOUNTS, SMALL_DISKS)


@pytest.mark.slow
def test_the_second_recording_ends_with_the_scans_that_it_has_begun(tmp_path: Path) -> None:
    """Also where one cell or the other is scanned at any time; readings can be read there."""
    second = SecondRecording(settings(tmp_path, "A", "B"), tmp_path)
    scene = Scene(nz=6)

    def scan(cell: str, number: int) -> list[Message]:
        start = scene.start(number, 1.6e9 + 3600 * number, "periodic", cell, 10 * number)
        removal = scene.removal(1.0)
        records = messages(start, scene.volume(125.0 - removal))
        whole = result(start, removal, slices_missing=0)
        made = [Message("slices", 0.0, None, record, ()) for record in records[:-1]]
        return [*made, Message("slices", 0.0, None, records[-1], (whole,))]

    def take(told: list[Message], *, refused: bool = False) -> None:
        for message in told:
            assert second.take(message, refused=refused) == []

    def reading(number: int) -> list[Message]:
        told = cycler_event("A", 1.6e9 + number, 0.1, number)
        return [Message("documents", 0.0, None, told, ())]

    a, b = [scan("A", number) for number in range(3)], [scan("B", number) for number in range(3)]
    take([Message("documents", 0.0, None, record, ()) for record in cycler_run("A")])
    take([*reading(1), *a[0][:3], *b[0][:2]])
    assert second.folder is None
    take([*a[0][3:5], *reading(2)], refused=True)
    second.needed = False
    take([*b[0][2:4], *a[0][5:], *a[1][:4], *reading(3), *b[0][4:], *b[1], *a[1][4:], *a[2]])
    assert second.close() == []
    assert second.folder is not None
    made = open_experiment(second.folder)
    kept = {(name, s.number) for name, cell in made.cells.items() for s in cell.scans}
    assert kept == {("A", 0), ("B", 0)}
    assert not any(cell.unfinished for cell in made.cells.values())
    assert made.cells["A"].cycler()["time"].tolist() == [1.6e9 + 2]
    assert [int((s.order() < 0).sum()) for s in made.cells["A"].scans] == [2]
    assert verify(second.folder).count("error") == 0, verify(second.folder).found
