"""Recording outside the compute thread: one thread writes all HDF5 files."""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from monitor import memory
from monitor.engine.disk_troubles import DiskTroubles
from monitor.engine.failures import Failures
from monitor.engine.message_queue import MessageQueue
from monitor.errors import RecordingError
from monitor.recording.error_log import ErrorLog
from monitor.recording.folder_lock import FolderLock
from monitor.recording.read.experiment import open_experiment
from monitor.recording.resume.interrupted import forget_old, mend
from monitor.recording.resume.rewrite import ResumedWriter
from monitor.recording.write import disk_space
from monitor.recording.write.experiment import ExperimentWriter, Message
from monitor.recording.write.new_experiment import create_experiment
from monitor.recording.write.second_recording import SecondRecording
from monitor.records import (
    Output,
    Record,
    RecordingTrouble,
    ScanEnd,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from monitor.settings import Settings
from monitor.wire.results.state import Recorder as RecorderState

QUEUE_BYTES = 2 * 2**30
"""At most; an eighth of the memory, if that is less."""
SHARE_FOR_QUEUE = 8
FLUSH_S = 1.0
AT_ONCE, GATHER_S = 8, 0.01
PAUSE_S, LONGEST_PAUSE_S = 0.01, 1.0
STUCK = 10
"""Number of internal errors in a row after which the first waiting message is taken to be their
cause."""


class Recorder:
    """Records everything that the session received, and its results. Raises RecordingError at the
    start.

    An internal error costs the message that was being written: it is logged in the folder and
    reported as an alarm (`failures`), and the next message is written.

    `write` is called from one thread, the compute thread; it waits while more than `queue_bytes`
    are not yet written, and never raises. `section` and `stored_map` may be called from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        out_dir: Path | None = None,
        *,
        queue_bytes: int | None = None,
        go_on: Path | None = None,
        identity: str = "",
    ) -> None:
        """`go_on`: the folder of a recording that was interrupted; its messages must be handed to
        `write_again`, all of them, before any to `write`. `identity`: as for
        `create_experiment`."""
        self.folder = go_on or create_experiment(
            settings, out_dir or settings.experiment.data_dir, identity=identity
        )
        self._broken = False
        self._going_on = go_on is not None
        self._lock = self._locked()
        self.failures = Failures(ErrorLog(self.folder))
        try:
            if go_on is not None:
                mend(go_on)
            self.identity = open_experiment(self.folder).identity
            kind = ExperimentWriter if go_on is None else ResumedWriter
            self._writer = kind(settings, self.folder)
        except BaseException as error:
            self._leave()
            if isinstance(error, OSError):
                raise _cannot_be_written(self.folder, error) from None
            raise
        second = settings.experiment.second_dir
        self._second = SecondRecording(settings, Path(second), self.identity) if second else None
        share = memory.machine_bytes() // SHARE_FOR_QUEUE
        self._queue = MessageQueue(queue_bytes or min(QUEUE_BYTES, share))
        self._disk = DiskTroubles(self.folder)
        if self.problem:
            self._disk.add(RecordingTrouble(True, 0, self.problem, "lock"))
        self._current: Message | None = None
        self._errors_in_a_row = 0
        self._failures_then = 0
        self._lacking_before: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why another engine would not be kept out of the folder, or ""."""
        return self._lock.problem

    def _locked(self) -> FolderLock:
        try:
            return FolderLock(self.folder)
        except OSError as error:
            raise _cannot_be_written(self.folder, error) from None

    def write(
        self,
        feed: str,
        frames: Sequence[bytes | memoryview],
        record: Record,
        outputs: tuple[Output, ...],
    ) -> None:
        """Queues one message. `frames` is the message as it arrived (of slices the first frame, the
        header, is kept); if it is empty, the header is made from the record."""
        header = None
        if frames and isinstance(record, ScanStart | SliceFrame | ScanEnd):
            header = frames[0]
        self._queue.put(Message(feed, time.time(), header, record, tuple(outputs)))

    def write_again(self, feed: str, record: Record, outputs: tuple[Output, ...]) -> None:
        """Queues a message from the journal of the recording that is resumed."""
        self._queue.put(Message(feed, 0.0, None, record, tuple(outputs), again=True))

    def leave_broken(self) -> None:
        """Not all messages could be queued: the recording can be resumed later."""
        self._broken = True

    def written_again(self) -> None:
        """All messages of the journal have been queued; waits until they are written. If some could
        not be written, the files that they were read from are kept."""
        self.drain(timeout_s=math.inf)
        forget_old(self.folder, keep=bool(self.status["failures"]))

    def section(self, cell: str, scan: int | None, axis: str, index: int) -> NDArray[Any]:
        """Vertical cut of a scan (None: the running or the last one), also while it runs: (nz, nx)
        for axis y, (nz, ny) for axis x; slices that have not arrived are 0. Raises
        RecordingError."""
        return self._queue.ask(lambda: self._writer.section(cell, scan, axis, index))

    def stored_map(self, cell: str, scan: int, name: str) -> NDArray[Any] | None:
        """A map of a finished scan from its file; None if it has none. Raises RecordingError."""
        return self._queue.ask(lambda: self._writer.stored_map(cell, scan, name))

    @property
    def status(self) -> RecorderState:
        """What waits, what was written, and what went wrong; JSON-ready."""
        queue, disk = self._queue, self._disk
        return {
            "folder": str(self.folder),
            "queued_bytes": queue.queued_bytes,
            "queue_limit_bytes": queue.limit_bytes,
            "waits": queue.waits,
            "alarm": disk.alarm,
            "failing": disk.failing,
            "failures": disk.failures,
            "messages": self._counts["messages"],
            "slices": self._counts["slices"],
            "scans": self._writer.scans_written,
            "compression": {
                cell: {"on": one.on, "saving": one.saving}
                for cell, one in self._writer.compression.copy().items()
            },
        }

    def troubles(self) -> list[RecordingTrouble]:
        """Troubles since this was last called: the disk refuses data or accepts it again, and
        internal errors. Raises RecordingError if nothing more is recorded."""
        queue = self._queue
        if queue.ended and not queue.closing:
            raise RecordingError(
                f"{self.folder}: the recorder has stopped, and nothing more is recorded; "
                "start the engine again with the same settings: it resumes the recording"
            )
        self._disk.stands_still(queue.still_for_s, queue.queued_bytes, queue.limit_bytes)
        return self._disk.take() + self.failures.troubles()

    def drain(self, timeout_s: float = 60.0) -> bool:
        """Waits until everything that was queued is written and flushed; False after `timeout_s`
        s."""
        done = self._queue.wait_until_written(None if math.isinf(timeout_s) else timeout_s)
        if done:
            self._queue.ask(self._flush)
        return done

    def give_up(self) -> None:
        """Nothing was recorded: removes a folder made for the recording; an interrupted recording
        stays as it is."""
        self._broken = self._going_on
        self.close()
        self._leave()

    def _leave(self) -> None:
        """Lets go of the folder; one that was made for nothing goes."""
        self._lock.release(broken=self._going_on)
        if not self._going_on:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Writes all that is queued, and ends the recording. A second call does nothing."""
        self._queue.close()
        self._thread.join()
        self._lock.release(broken=self._broken)

    # --- the writer's thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
            self._end()
        except BaseException as error:  # the thread ends with it: the compute thread hears of that
            self.failures.write("recorder", error)
        finally:
            self._broken = self._broken or not self._queue.closing  # it ended by itself
            self._queue.end()

    def _work(self) -> None:
        flushed = time.monotonic()
        while True:
            try:
                if not self._step():
                    return
                if time.monotonic() - flushed >= FLUSH_S:
                    self._flush()
                    flushed = time.monotonic()
            except Exception as error:
                if self._lose(error):
                    return
            else:
                self._errors_in_a_row = 0

    def _lose(self, error: Exception) -> bool:
        """An error of our own: it costs what was being written. True if that was the last."""
        self._errors_in_a_row += 1
        lost, self._current = self._current, None
        if lost is not None or self._errors_in_a_row > STUCK:
            lost = self._queue.pop() or lost
        done = self._queue.is_done and self._errors_in_a_row > STUCK
        is_slice = lost is not None and isinstance(lost.record, SliceFrame)
        self._disk.own_error(self.failures.add("recorder", error, lost=int(is_slice)))
        if lost is None and not done:
            time.sleep(min(PAUSE_S * self._errors_in_a_row, LONGEST_PAUSE_S))
        return done

    def _end(self) -> None:
        """Closes all files; an error of our own leaves a recording that can be resumed."""
        try:
            self._note(self._writer.close())
        except Exception as error:
            self._broken = True
            self.failures.add("recorder", error)
        if self._second is not None:
            try:
                self._second.close(broken=self._broken)
            except Exception as error:
                self.failures.add("recorder", error)

    def _flush(self) -> None:
        """Hands on what was written. A second without a failure, after some, with room, is the end
        of the trouble."""
        failures = self._disk.failures
        self._note(self._writer.flush())
        if self._second is not None:
            self._second.flush()
        calm = self._disk.failures == failures == self._failures_then
        if self._disk.failing and calm and disk_space.is_enough(self.folder):
            self._over()
        self._failures_then = self._disk.failures

    def _step(self) -> bool:
        """Answers what is asked and writes some messages; False when all is done."""
        messages, closing = self._queue.take(AT_ONCE, FLUSH_S)
        self._queue.answer()
        if not messages:
            return not closing
        for message in messages:
            self._current = message
            self._note(self._write(message))
            self._current = None
            self._counts["messages"] += 1
            self._counts["slices"] += isinstance(message.record, SliceFrame)
            self._queue.pop()
        if len(messages) < AT_ONCE and not closing:
            time.sleep(GATHER_S)  # to wake for each slice would cost the computing thread time
        return True

    def _write(self, message: Message) -> list[OSError]:
        if message.again and isinstance(self._writer, ResumedWriter):
            errors = self._writer.take_again(message)
        else:
            errors = self._writer.take(message)
        if self._second is not None:
            self._second.take(message, refused=bool(errors))
        if any(isinstance(o, ScanResult) and not o.provisional for o in message.outputs):
            memory.give_back()  # a scan's slices and buffers are done with
        return errors

    def _note(self, errors: list[OSError]) -> None:
        if not errors:
            return
        for error in errors:
            if isinstance(error.__cause__, Exception):  # of HDF5, or of our own
                self.failures.write("recorder", error.__cause__)
        self._disk.refused(errors, self._lacking.total(), self._in_second)

    def _over(self) -> None:
        """The disk takes what is to be recorded, and has taken what waited for it."""
        self._disk.over(self._lacking, self._in_second)
        self._lacking_before = self._writer.lacking.copy()
        if self._second is not None:
            self._second.needed = False

    @property
    def _lacking(self) -> Counter[str]:
        """Slices by file that were refused since the trouble began."""
        return self._writer.lacking - self._lacking_before

    @property
    def _in_second(self) -> str:
        second = self._second
        if second is None or not (second.folder or second.problem):
            return ""
        if second.problem:
            return f" (nor in the second folder: {second.problem})"
        return f" (they are in {second.folder})"


def _cannot_be_written(folder: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"{folder}: cannot be written ({error.strerror or error}); choose another "
        "experiment.data_dir, or repair this one"
    )
