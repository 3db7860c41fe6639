"""The one way to the files of a recording: no links, regular files only, all of a file or none."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.errors import RecordingError
from monitor.recording import files


@pytest.fixture(params=[True, False], ids=["from descriptors", "from paths"])
def folder(request, tmp_path, monkeypatch):
    """A recording with one file in a cell's folder, itself reached by a link that its reader made;
    as systems open files that can do it from descriptors, and as those that cannot."""
    if not request.param:
        monkeypatch.setattr(files, "BY_DESCRIPTOR", False)
    made = tmp_path / "made"
    (made / "A").mkdir(parents=True)
    (made / "A" / "file").write_bytes(b"recorded")
    (tmp_path / "secret").write_bytes(b"years of work")
    (tmp_path / "mine").symlink_to(made)
    return tmp_path / "mine"


def refused(action: Callable[[], object], what: str) -> None:
    with pytest.raises(RecordingError, match=what) as caught:
        action()
    assert "\n" not in str(caught.value)


def test_a_file_is_read_and_a_folder_listed(folder):
    with files.opened(folder / "A" / "file", folder) as file:
        assert file.read() == b"recorded"
    assert files.names(folder / "A", folder) == ["file"]
    assert files.names(folder / "B", folder) == [] and not files.is_folder(folder / "B", folder)
    assert files.is_folder(folder / "A", folder) and files.strange(folder) is None


def test_what_is_not_there_is_said_as_ever(folder):
    with pytest.raises(FileNotFoundError):
        files.opened(folder / "A" / "none", folder)
    with pytest.raises(FileNotFoundError):
        files.opened(folder / "B" / "file", folder)


def link(path: Path) -> None:
    path.symlink_to(path.parents[2] / "secret")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def link_within(path: Path) -> None:
    path.symlink_to("file")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # such names are short
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


STRANGE = [
    (link, "a link to another place"), (dangling, "a link to another place"), (device, "a link to"),
    (link_within, "a link to another place"), (os.mkfifo, "a pipe"), (a_socket, "a socket"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what"), STRANGE)
def test_what_is_no_file_is_refused_and_not_waited_for(folder, make, what):
    path = folder / "A" / "odd"
    make(path)
    refused(lambda: files.opened(path, folder), f"odd: is {what}")
    assert files.strange(folder) == (path, files.kind(path))
    assert what in files.kind(path)


def test_a_folder_is_no_file_and_a_file_no_folder(folder):
    refused(lambda: files.opened(folder / "A", folder), "A: is a folder, expected a file")
    refused(lambda: files.names(folder / "A" / "file", folder), "is a file, expected a folder")


def test_a_folder_that_is_a_link_is_not_entered(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"years of work")
    (folder / "B").symlink_to(tmp_path / "outside")
    refused(lambda: files.opened(folder / "B" / "file", folder), "B: is a link to another place")
    refused(lambda: files.names(folder / "B", folder), "B: is a link to another place")
    refused(lambda: files.is_folder(folder / "B", folder), "B: is a link to another place")
    refused(
        lambda: files.write(folder / "B" / "file", folder, b"x"), "B: is a link to another place"
    )
    assert [p.name for p in (tmp_path / "outside").iterdir()] == ["file"]
    assert (tmp_path / "outside" / "file").read_bytes() == b"years of work"


def test_a_path_does_not_climb_out(folder):
    refused(lambda: files.opened(folder / "A" / ".." / ".." / "secret", folder), "is not inside")


def test_what_is_written_takes_the_place_of_a_link_and_follows_none(folder, tmp_path):
    path = folder / "report" / "relief.png"
    files.write(path, folder, b"first")
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    files.write(path, folder, b"second")
    assert path.read_bytes() == b"second" and not path.is_symlink()
    assert (tmp_path / "secret").read_bytes() == b"years of work"
    assert [p.name for p in path.parent.iterdir()] == ["relief.png"]


def test_what_cannot_be_written_leaves_nothing_behind(folder):
    (folder / "A" / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write(folder / "A" / "taken", folder, b"x")
    assert files.names(folder / "A", folder) == ["file", "taken"]


def test_descriptors_are_given_back(folder):
    (folder / "A" / "odd").symlink_to("file")
    os.mkfifo(folder / "A" / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        for name in ("odd", "pipe", "none"):
            with pytest.raises((RecordingError, OSError)):
                files.opened(folder / "A" / name, folder)
        files.opened(folder / "A" / "file", folder).close()
        files.write(folder / "A" / "other", folder, b"x")
        files.names(folder / "A", folder)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
