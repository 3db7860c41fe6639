"""The files of a recording, opened so that nothing in it leads out of it.

A recording may come from anybody. A link in it could lead to a file of whoever reads it, and the
opening of a pipe waits forever. So files are opened from the descriptor of their folder, no link
is followed, whatever is not a regular file is refused by its name, and what is written takes its
place as a whole.

`within` is the folder of the recording. Whoever named that one may have named a link.
"""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from monitor.errors import RecordingError
from monitor.recording.file_descriptors import when_free

BY_DESCRIPTOR = {os.open, os.stat} <= os.supports_dir_fd
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Of a pipe that takes the place of a file between two looks."""
CLOSED = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
A_FOLDER = getattr(os, "O_DIRECTORY", 0)
NAMES = {
    stat.S_IFLNK: "a link to another place",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


def descriptor(path: Path, within: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file. Raises RecordingError for anything else, FileNotFoundError,
    OSError."""
    with _folder(path.parent, within) as (at, folder):
        _check(path, _kind(folder / path.name, at), stat.S_IFREG)
        found = _open(folder / path.name, flags | NO_LINK | NO_WAIT | CLOSED, at)
    try:
        _check(path, os.fstat(found).st_mode, stat.S_IFREG)
    except RecordingError:
        os.close(found)
        raise
    return found


def opened(path: Path, within: Path) -> BinaryIO:
    """A regular file, for reading. Raises as `descriptor`."""
    return open(path, "rb", opener=lambda _, flags: descriptor(path, within))


def names(path: Path, within: Path) -> list[str]:
    """What a folder holds, sorted; nothing if it is missing. Raises RecordingError if it is not a
    folder."""
    try:
        with _folder(path, within) as (at, folder):
            return sorted(when_free(lambda: os.listdir(folder if at is None else at)))  # noqa: PTH208
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror or error})") from None


def is_folder(path: Path, within: Path) -> bool:
    """Whether the folder is there. Raises RecordingError if that is something else."""
    try:
        with _folder(path, within):
            return True
    except FileNotFoundError:
        return False


def write(path: Path, within: Path, content: bytes) -> None:
    """Puts a file in place, or another one in its place, with all of its content at once; the
    folder is made if need be. Raises RecordingError, OSError."""
    with contextlib.suppress(FileExistsError):  # no folder: said below
        path.parent.mkdir(parents=True, exist_ok=True)
    with _folder(path.parent, within) as (at, folder):
        part = f".{uuid.uuid4().hex}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | CLOSED
        try:
            with os.fdopen(_open(folder / part, flags, at), "wb") as file:
                file.write(content)
            if at is None:
                (folder / part).replace(folder / path.name)
            else:
                os.rename(part, path.name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(folder / part if at is None else part, dir_fd=at)
            raise


def strange(within: Path) -> tuple[Path, str] | None:
    """The first thing in a recording that is neither a regular file nor a folder, and what it is;
    None if there is none. Raises OSError."""
    waiting = [within]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    waiting.append(Path(entry.path))
                elif not stat.S_ISREG(mode):
                    return Path(entry.path), NAMES.get(stat.S_IFMT(mode), "of an unknown kind")
    return None


def kind(path: Path) -> str:
    """What is there, as it is called in an error; "" for a regular file and for nothing."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return ""
    return "" if stat.S_ISREG(mode) else NAMES.get(stat.S_IFMT(mode), "of an unknown kind")


@contextlib.contextmanager
def _folder(path: Path, within: Path) -> Iterator[tuple[int | None, Path]]:
    """A descriptor of a folder and the path from it, or None and the path where the system opens
    nothing from descriptors."""
    parts = path.relative_to(within).parts
    if ".." in parts:
        raise RecordingError(f"{path}: is not inside {within}")
    if not BY_DESCRIPTOR:
        whole = within
        for part in parts:
            whole /= part
            _check(whole, _kind(whole, None), stat.S_IFDIR)
        yield None, whole
        return
    at, whole = _open(within, os.O_RDONLY | A_FOLDER | CLOSED, None), within
    try:
        for part in parts:
            whole /= part
            _check(whole, _kind(Path(part), at), stat.S_IFDIR)
            inner = _open(Path(part), os.O_RDONLY | A_FOLDER | NO_LINK | CLOSED, at)
            os.close(at)
            at = inner
        yield at, Path()
    finally:
        os.close(at)


def _open(path: Path, flags: int, at: int | None) -> int:
    return when_free(lambda: os.open(path, flags, 0o644, dir_fd=at))


def _kind(path: Path, at: int | None) -> int:
    return os.stat(path, dir_fd=at, follow_symlinks=False).st_mode


def _check(path: Path, mode: int, wanted: int) -> None:
    if (came := stat.S_IFMT(mode)) != wanted:
        what = NAMES.get(came, "of an unknown kind")
        raise RecordingError(
            f"{path}: is {what}, expected {NAMES[wanted]} of the recording itself; it is not opened"
        )
