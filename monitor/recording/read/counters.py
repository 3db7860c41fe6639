"""The counters of the feeds, as far as a recording tells them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from monitor.errors import RecordingError
from monitor.recording import files, format
from monitor.recording.journal import MAX_LINE_BYTES
from monitor.recording.read.contents import Contents
from monitor.recording.read.experiment import Experiment
from monitor.recording.read.past_events import Past
from monitor.records import Event
from monitor.records.state import FeedCounts, Feeds

HEAD_BYTES = 256
TELLING = {b"slices": b',"header"', b"documents": b',"name"', b"replies": b',"reply"'}
"""By feed, what follows it in the journal's line of a message that could be read."""


def feed_counters(
    experiment: Experiment, past: Past, contents: Iterable[Contents], readings: int
) -> Feeds:
    """By feed: `recording` (true), `messages`, `last_time`, and what else the files tell.

    `last_time`: when the journal's last line arrived, UTC s by the clock of the machine that
    recorded it, or None. `gaps` and `bad` are as the last event told them.
    """
    contents = list(contents)
    messages, last_time = count_messages(experiment.path)
    lost, bad = _told(past.outputs)
    common: FeedCounts = {"recording": True, "last_time": last_time}
    return {
        "slices": {
            **common,
            "messages": messages["slices"],
            "bytes": sum(found.slice_bytes for found in contents),
            "gaps": sum(lost.values()),
            "recovered": sum(found.recovered for found in contents),
            "bad": bad["slices"],
        },
        "documents": {
            **common,
            "messages": messages["documents"],
            "readings": readings,
            "bad": bad["documents"],
        },
        "requests": {**common, "messages": messages["replies"], "bad": bad["requests"]},
    }


def _told(outputs: Iterable[Any]) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Messages lost by stream, and bad ones by feed and kind."""
    lost: Counter[str] = Counter()
    bad: dict[str, Counter[str]] = {f: Counter() for f in ("slices", "documents", "requests")}
    for event in outputs:
        if not isinstance(event, Event):
            continue
        total, count = event.data.get("total"), event.data.get("count")
        if event.kind == "gap" and type(total) is int:
            lost[str(event.data.get("stream"))] = total
        elif event.kind == "bad_message" and event.data.get("feed") in bad and type(count) is int:
            bad[event.data["feed"]][str(event.data.get("bad_kind"))] = count
    return lost, bad


def count_messages(folder: Path) -> tuple[Counter[str], float | None]:
    """Messages by feed that could be read of a recording's journal, and when the last line arrived;
    nothing, and None, without a journal."""
    counts: Counter[str] = Counter()
    head, last, length = b"", b"", 0
    try:
        with files.opened(folder / format.JOURNAL_FILE, folder) as file:
            while (piece := file.readline(HEAD_BYTES)) and length < MAX_LINE_BYTES:
                head, length = head or piece, length + len(piece)
                if piece.endswith(b"\n"):
                    _count(head, counts)
                    head, last, length = b"", head, 0
    except (OSError, RecordingError):
        return counts, None
    return counts, _came(last)


def _count(line: bytes, counts: Counter[str]) -> None:
    """By its beginning alone: to read the JSON of all lines would take a hundred times as long."""
    _, _, tail = line.partition(b',"feed":"')
    feed, _, rest = tail.partition(b'"')
    if feed in TELLING and rest.startswith(TELLING[feed]):
        counts[feed.decode()] += 1


def _came(line: bytes) -> float | None:
    _, _, tail = line.partition(b',"at":')
    try:
        at = float(tail.partition(b",")[0])
    except ValueError:
        return None
    return at if math.isfinite(at) else None
