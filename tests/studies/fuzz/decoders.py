"""Broken messages on each decoder in this process: each is read, or refused in one line."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.core.session import Session
from monitor.errors import BadMessage, RecordingError
from monitor.memory import give_back
from monitor.plain_text import is_plain
from monitor.recording.journal import DAMAGED, parse_line, record_of
from monitor.records import BadInput
from monitor.settings import parse
from monitor.wire import documents, requests, resend
from monitor.wire.results import queries, replies
from monitor.wire.slices import codec, stins
from monitor.wire.slices.limits import Limits
from tests.studies.fuzz import corpus
from tests.studies.fuzz.mutate import Frames, Mutator
from tests.studies.fuzz.texts import assert_plain

LIMITS = Limits(slice_pixels=1_000_000, volume_bytes=10**9)
WARM_UP = 0.3
LONGEST_TEXT = 2000


@dataclass
class Outcome:
    """What became of the messages of one decoder. `grown_MB`: memory of the process since the
    warm-up."""

    sent: int = 0
    used: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    grown_MB: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.refused.most_common(6))
        return (
            f"{self.sent} sent = {self.used} used + {self.refused.total()} refused ({kinds}); "
            f"{self.sent / self.seconds:.0f} a second, memory {self.grown_MB:+.1f} MB"
        )


def resident_MB(process: int | str = "self") -> float:
    """Memory of a process that is in RAM."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6


def _held_MB() -> float:
    """Memory of this process, without what is garbage: in one that has run other tests Python
    collects seldom, and the C library keeps what is freed."""
    gc.collect()
    give_back()
    return resident_MB()


def _one(read: Callable[[bytes], Any]) -> Callable[[Frames], Any]:
    """A decoder of one frame, given the last of a message, as the sockets do."""
    return lambda frames: read(frames[-1] if frames else b"")


def _journal(frames: Frames) -> Any:
    try:
        return record_of(parse_line(frames[0] if frames else b""))
    except (RecordingError, *DAMAGED):  # one line is made of them where it is replayed
        raise BadMessage("damaged", "") from None


class _Session:
    """Both feeds through their decoders and a session, as in the engine."""

    def __init__(self) -> None:
        self._session = Session(parse({"cells": [{"name": corpus.CELL}]}))

    def __call__(self, frames: Frames) -> Any:
        feed = "slices" if frames and frames[0].startswith(b"{") else "documents"
        try:
            if feed == "slices":
                outputs = self._session.feed(stins.decode(frames, LIMITS))
            else:
                outputs = self._session.feed(documents.decode(b"".join(frames)))
        except BadMessage as error:
            self._session.feed(BadInput("slices", error.kind, str(error)))
            raise
        return outputs


DECODERS: dict[str, tuple[Callable[[], list[Frames]], Callable[[], Callable[[Frames], Any]]]] = {
    "slices": (corpus.slices, lambda: lambda frames: stins.decode(frames, LIMITS)),
    "slices of either codec": (
        lambda: [*corpus.dectris_slices(), *corpus.slices()],
        lambda: lambda frames: codec.decode(frames, LIMITS),
    ),
    "dectris": (corpus.dectris_slices, lambda: lambda frames: codec.decode(frames, LIMITS)),
    "documents": (corpus.cycler, lambda: lambda frames: documents.decode(b"".join(frames))),
    "replies": (corpus.replies, lambda: _one(requests.decode_reply)),
    "requests": (corpus.scan_requests, lambda: _one(requests.decode_request)),
    "questions": (corpus.asked, lambda: queries.decode_request),
    "answers": (corpus.answers, lambda: replies.decode_reply),
    "status": (corpus.answers, lambda: _one(replies.decode_status)),
    "resend questions": (corpus.resend_questions, lambda: _one(resend.decode_question)),
    "resend answers": (
        corpus.resend_answers,
        lambda: lambda frames: resend.decode_answer(frames, LIMITS),
    ),
    "journal": (corpus.journal, lambda: _journal),
    "session": (lambda: [*corpus.slices(), *corpus.cycler()], _Session),
}


OF_OTHERS = (
    "slices", "slices of either codec", "dectris", "replies", "requests", "questions",
    "resend questions", "resend answers",
)  # fmt: skip
"""Decoders of what others write that reaches a person by the texts in a record's fields."""


def fuzz(name: str, messages: int, seed: int) -> Outcome:
    """Runs so many messages through one decoder. Whatever else it raises than BadMessage, or an
    error that is not one short line, ends it."""
    made, decoder = DECODERS[name]
    mutator, decode, outcome = Mutator(seed, made()), decoder(), Outcome()
    began, warm = time.monotonic(), 0.0
    for number in range(messages):
        if number == int(WARM_UP * messages):
            warm = _held_MB()
        frames = mutator.message()
        outcome.sent += 1
        try:
            record = decode(frames)
            if name in OF_OTHERS:
                assert_plain(record)
        except BadMessage as error:
            assert is_plain(str(error)), frames
            assert len(str(error)) < LONGEST_TEXT, frames
            outcome.refused[error.kind] += 1
        except Exception as error:
            raise AssertionError(f"{name}: {frames!r:.2000} raised {error!r}") from error
        else:
            outcome.used += 1
    outcome.seconds = max(time.monotonic() - began, 1e-6)
    outcome.grown_MB = _held_MB() - warm
    return outcome
