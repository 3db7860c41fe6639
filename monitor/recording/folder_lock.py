"""The lock of a folder that an engine records into.

The system takes a lock back when the engine ends, however it ends. An end that was wanted removes
the file as well: so a lock file that nobody holds says that the recording was interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from monitor.errors import RecordingError
from monitor.recording import files

try:
    import fcntl
except ImportError:  # not a Unix: recordings are then never resumed
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = "engine.lock"
HELD = "held"
PLAIN = files.NO_LINK | files.NO_WAIT
"""A lock file of others may be a link, or a pipe."""
MAX_OWNER_BYTES = 4096
LOCK_WAIT_S, LOCK_STEP_S = 2.0, 0.02
"""Who only asks whether a recording grows holds its lock for a moment."""
HELD_BY_OTHERS = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
"""What `flock` says of a lock that somebody has; whatever else it says, there are no locks there,
as on NFS, Lustre or GPFS that are mounted without."""


class Owner(TypedDict):
    """What tells a process from all others: `since` is when it began, as Linux counts it."""

    host: str
    pid: int
    since: str


class FolderLock:
    """Says that an engine records into this folder, for as long as its process lives.

    Where the file system has no locks, `problem` says so in one line; who records is then known by
    host and process, which are in the file.
    """

    def __init__(self, folder: Path) -> None:
        """Raises RecordingError if another engine records into the folder, OSError where the
        file cannot be written."""
        self._path = folder / LOCK_FILE
        self.problem = ""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | PLAIN, 0o644)
        try:
            why = _lock(self._file, wait_s=LOCK_WAIT_S)
            if why is HELD or (why and _owner_lives(self._path)):
                raise RecordingError(
                    f"{folder}: another engine records into it ({LOCK_FILE} is held); stop "
                    "it, or choose another experiment.name"
                )
            if why:
                self.problem = (
                    f"{folder}: its file system has no locks ({why}): a second engine on another "
                    "machine would not be kept out; make sure that there is none, mount it with "
                    "locks, "
                    "or choose another experiment.data_dir"
                )
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(_owner(os.getpid())).encode(), 0)
        except BaseException:
            os.close(self._file)
            raise

    def release(self, *, broken: bool = False) -> None:
        """The recording has ended as it should; or is `broken`, and can be resumed. A second
        call does nothing."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            if broken:
                os.ftruncate(self._file, 0)  # nobody has it any more, also where locks do not tell
            else:
                self._path.unlink()
        os.close(self._file)
        self._file = -1


def _lock(file: int, *, shared: bool = False, wait_s: float = 0.0) -> str:
    """ "" if we have the lock now, HELD where somebody else has, otherwise why there is none."""
    if fcntl is None:
        return "not a Unix"
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD_BY_OTHERS:
                return error.strerror or str(error)
        else:
            return ""
        if time.monotonic() >= end:
            return HELD
        time.sleep(LOCK_STEP_S)


def _owner(pid: int) -> Owner:
    since = ""
    with contextlib.suppress(OSError):
        since = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    return {"host": platform.node(), "pid": pid, "since": since}


def _said(path: Path) -> Owner | None:
    """The owner that is in a lock file; None if none does: an end by an error takes it out,
    and older versions never wrote any."""
    with contextlib.suppress(
        OSError, RecordingError, ValueError, LookupError, TypeError, RecursionError
    ):
        with files.opened(path, path.parent) as file:
            said = json.loads(file.read(MAX_OWNER_BYTES))
        return {"host": str(said["host"]), "pid": int(said["pid"]), "since": str(said["since"])}
    return None


def _owner_lives(path: Path) -> bool:
    """Whether the process that is in a lock file runs; on another host, it is taken to."""
    owner = _said(path)
    if not owner or owner["host"] != platform.node():
        return bool(owner)
    try:
        os.kill(owner["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    return _owner(owner["pid"]) == owner


def _state(folder: Path) -> str:
    """ "" if nobody records, HELD, or why it cannot be determined. Needs no right to write
    there."""
    path = folder / LOCK_FILE
    try:
        file = os.open(path, os.O_RDONLY | PLAIN)
    except OSError as error:
        return error.strerror or str(error)
    try:
        why = _lock(file, shared=True)
    finally:
        os.close(file)
    if not why or why is HELD or fcntl is None:
        return why
    return HELD if _owner_lives(path) else ""


def is_interrupted(folder: Path) -> bool:
    """True if a recording was interrupted, and nobody resumes it now."""
    return os.path.lexists(folder / LOCK_FILE) and not _state(folder)


def is_growing(folder: Path) -> bool:
    """True if an engine records into the folder now. Needs no right to write there."""
    path = folder / LOCK_FILE
    return os.path.lexists(path) and not files.kind(path) and _state(folder) is HELD


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """No engine resumes this recording meanwhile; if there is no lock file, none can.
    Raises OSError if one does already."""
    path = folder / LOCK_FILE
    if fcntl is None or not path.exists():
        yield
        return
    file = os.open(path, os.O_RDWR | PLAIN)
    try:
        why = _lock(file, wait_s=LOCK_WAIT_S)
        if why is HELD or (why and _owner_lives(path)):
            raise OSError(f"{path} is held by an engine")
        yield
    finally:
        os.close(file)


def unknown_owner(folder: Path) -> str:
    """Why it cannot be determined whether somebody records into a folder, if it cannot; otherwise
    ""."""
    path = folder / LOCK_FILE
    owner = _said(path)
    if fcntl is None or not owner or owner["host"] == platform.node():
        return ""
    file = os.open(path, os.O_RDONLY | PLAIN)
    try:
        why = _lock(file, shared=True)
    finally:
        os.close(file)
    if not why or why is HELD:
        return ""
    return (
        f"{folder}: an engine on {owner['host']!r:.80} began it, and whether that one still "
        f"records cannot be determined without locks ({why}): a new one begins; to resume it once "
        f"that engine has ended, empty its {LOCK_FILE}"
    )
