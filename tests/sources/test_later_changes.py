"""Volumes that were sent and whose files change afterwards, with the same first slice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.records import ScanStart
from monitor.sources.folder.state import read_state
from tests.helpers.waiting import eventually
from tests.sources.nabu_files import Reconstruction
from tests.sources.test_publish_folder import LIVE, NZ, STEP, Watched, volume
from tests.sources.test_publish_folder import watched as watched  # a fixture

pytestmark = pytest.mark.slow

CHANGED = "rec_0000: its files were changed after it was sent as scan 0"
FORMS = (*LIVE, "npy")


class Volume:
    """A volume whose first slice stays the same, written by nabu, or by NumPy as a whole."""

    def __init__(self, watched: Watched, form: str) -> None:
        self.folder = watched.folder
        self.form = form

    def write(self, seed: int, stop: int = NZ, finish: bool = True) -> None:
        """The slices up to `stop`; all but the first depend on `seed`."""
        data = volume(seed)
        data[0] = volume(0)[0]
        if self.form == "npy":
            np.save(self.folder / "rec_0000.npy", data)
            return
        eventually(lambda: self._is_written(data, stop, finish), step_s=0.1)

    def _is_written(self, data: Any, stop: int, finish: bool) -> bool:
        """HDF5 does not write a file that the same process is reading, as it would in nabu's."""
        recon = Reconstruction(self.folder, "rec_0000", self.form, data)
        try:
            for start in range(0, stop, STEP):
                recon.write(start, start + STEP)
            if finish:
                recon.finish()
        except OSError:
            return False
        return True

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("[!.]*") if path.is_file()]


def kept(watched: Watched) -> Callable[[], int | None]:
    """What the list of what was sent says of the files of the newest volume."""
    path = watched.folder / ".pitwatch_A.json"

    def files() -> int | None:
        volumes = read_state(path, "A").volumes
        return volumes[-1].files if volumes else None

    return files


def reports(watched: Watched) -> list[str]:
    return [text for text in watched.said if CHANGED in text]


@pytest.mark.parametrize("form", FORMS)
def test_a_volume_that_is_reconstructed_again_is_reported_and_one_that_is_touched_is_not(
    form: str, watched: Watched
) -> None:
    made, files = Volume(watched, form), kept(watched)
    with watched.publishing() as received:
        made.write(1)
        received.wait_for_end(0)
        first = eventually(files)
        for path in made.files():
            os.utime(path)
        touched = eventually(lambda: files() if files() != first else None)
        made.write(1)  # the same pixels
        same = eventually(lambda: files() if files() != touched else None)
        assert reports(watched) == []
        made.write(2)
        watched.has_said(CHANGED)
        eventually(lambda: files() != same)
    (report,) = reports(watched)
    assert report.endswith(
        "(slice 1 is not the one that was sent); the scan stays as it is: to measure the new "
        "volume, write it under another name"
    )
    assert received.frames(0) == list(range(NZ)) and len(received.records(ScanStart)) == 1


@pytest.mark.parametrize("form", FORMS)
def test_it_is_reported_once_also_if_it_is_written_while_nobody_looks(
    form: str, watched: Watched
) -> None:
    made, files = Volume(watched, form), kept(watched)
    with watched.publishing() as received:
        made.write(1)
        received.wait_for_end(0)
        sent = eventually(files)
    made.write(2)
    with watched.publishing():
        watched.has_said(CHANGED)
        again = eventually(lambda: files() if files() != sent else None)
    with watched.publishing() as received:
        received.wait_for_end(0, ends=3)
        eventually(lambda: files() == again)
        made.write(3)
        eventually(lambda: len(reports(watched)) == 2)
    assert len(received.records(ScanStart)) == 3
    assert all(
        start.is_same(received.records(ScanStart)[0]) for start in received.records(ScanStart)
    )


def test_it_is_reported_while_it_is_being_written(watched: Watched) -> None:
    made, files = Volume(watched, "tiff"), kept(watched)
    with watched.publishing() as received:
        made.write(1)
        received.wait_for_end(0)
        eventually(files)
        made.write(2, stop=STEP, finish=False)
        watched.has_said(CHANGED)
        made.write(2)
        eventually(lambda: len(reports(watched)) == 1)


def test_a_stack_that_is_written_again_before_its_end_is_reported(watched: Watched) -> None:
    """As if its reconstruction was started again: the slices that were sent are of both."""
    made = Volume(watched, "tiff")
    with watched.publishing() as received:
        made.write(1, stop=8, finish=False)
        received.wait_for(0, 8)
        made.write(2)
        received.wait_for_end(0)
        watched.has_said(CHANGED)


def test_files_that_are_removed_are_not_reported(watched: Watched) -> None:
    made, files = Volume(watched, "tiff"), kept(watched)
    with watched.publishing() as received:
        made.write(1)
        received.wait_for_end(0)
        first = eventually(files)
        removed = made.files()[4:]
        for path in removed:
            path.unlink()
        eventually(lambda: files() != first)
    assert reports(watched) == []


def test_a_volume_that_can_no_longer_be_read_is_reported(
    watched: Watched, monkeypatch: Any
) -> None:
    monkeypatch.setattr("monitor.sources.folder.later_changes.TRIES", 3)
    made, files = Volume(watched, "tiff"), kept(watched)
    with watched.publishing() as received:
        made.write(1)
        received.wait_for_end(0)
        eventually(files)
        path = made.folder / "rec_0000_000005.tiff"
        path.write_bytes(path.read_bytes()[:200])
        watched.has_said(CHANGED)
