"""Queue of messages for the thread that records them, bounded in bytes, and of questions to that
thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

from monitor.errors import RecordingError
from monitor.recording.write.experiment import Message

ANSWER_S = 5.0
Answer = TypeVar("Answer")


class MessageQueue:
    """`put` and `ask` may be called from any thread; `take`, `pop`, `answer` and `end` are for the
    one that writes. `limit_bytes`: the queue holds no more than this, unless it is a single
    message."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.queued_bytes = 0
        self.waits = 0
        self.closing = False
        self.ended = False
        self._change = threading.Condition()
        self._messages: deque[tuple[Message, int]] = deque()
        self._questions: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._progress_at = time.monotonic()

    @property
    def still_for_s(self) -> float:
        """Time since a waiting message was last written, s; 0 if nothing waits."""
        with self._change:
            return time.monotonic() - self._progress_at if self._messages else 0.0

    def put(self, message: Message) -> None:
        """Queues a message; waits while there is no room. Ignored once the queue is closed."""
        size = message.nbytes
        with self._change:
            if self.closing:
                return
            if not self._has_room(size):
                self.waits += 1
                self._change.wait_for(lambda: self._has_room(size) or self.ended)
            self._messages.append((message, size))
            self.queued_bytes += size
            self._change.notify_all()

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Has the writing thread answer before it writes the next messages. Raises RecordingError
        if it cannot."""
        answer: Future[Answer] = Future()
        with self._change:
            if self.ended:
                raise RecordingError("the recording has ended")
            self._questions.append((question, answer))
            self._change.notify_all()
        try:
            return answer.result(ANSWER_S)
        except TimeoutError:
            answer.cancel()
            raise RecordingError("the disk is too busy to read from the recording now") from None

    def wait_until_written(self, timeout_s: float | None) -> bool:
        """Waits until nothing is queued; False after `timeout_s` s, or if the thread has ended."""
        with self._change:
            done = self._change.wait_for(lambda: not self.queued_bytes or self.ended, timeout_s)
            return done and not self.ended

    def close(self) -> None:
        """Closes the queue: no more messages are accepted."""
        with self._change:
            self.closing = True
            self._change.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self.queued_bytes or self.queued_bytes + size <= self.limit_bytes

    # --- the thread that writes -----------------------------------------------------------------

    def take(self, most: int, timeout_s: float) -> tuple[list[Message], bool]:
        """The first messages, which stay queued until each has been popped, and whether no more
        will arrive. Waits for a message or a question."""
        with self._change:
            self._change.wait_for(
                lambda: self._messages or self._questions or self.closing, timeout_s
            )
            self._progress_at = time.monotonic()
            return [message for message, _ in islice(self._messages, most)], self.closing

    def pop(self) -> Message | None:
        """Removes and returns the first message; None if there is none."""
        with self._change:
            if not self._messages:
                return None
            message, size = self._messages.popleft()
            self.queued_bytes -= size
            self._progress_at = time.monotonic()
            self._change.notify_all()
            return message

    @property
    def is_done(self) -> bool:
        """Whether nothing waits, and nothing more will arrive."""
        with self._change:
            return self.closing and not self._messages

    def answer(self) -> None:
        """Answers all waiting questions."""
        while True:
            with self._change:
                if not self._questions:
                    return
                question, answer = self._questions.popleft()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(question())
            except RecordingError as error:
                answer.set_exception(error)
            except Exception as error:
                answer.set_exception(RecordingError(f"the recording cannot be read: {error}"))

    def end(self) -> None:
        """The writing thread ends: nobody waits for it any longer."""
        with self._change:
            self.ended = True
            self._change.notify_all()
        self.answer()
