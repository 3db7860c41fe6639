"""Broken messages into a running engine, over every socket that it has."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from monitor.core.session import Session
from monitor.engine.feeds.subscribe import ROWS_AT_ONCE
from monitor.errors import BadMessage
from monitor.processes import free_addresses
from monitor.recording.read.experiment import Experiment, open_experiment
from monitor.recording.replay import replay_records
from monitor.records import ResendEnd, ScanStart
from monitor.settings import Settings, load
from monitor.watch import Watcher
from monitor.wire import documents, requests, resend
from monitor.wire.results import queries
from monitor.wire.results.queries import MapRequest, ScanOrder
from monitor.wire.slices import codec
from monitor.wire.slices.limits import limits_of
from tests.core.experiment import scan_records
from tests.recording.synthetic import frames_of
from tests.studies.fuzz import corpus
from tests.studies.fuzz.decoders import resident_MB
from tests.studies.fuzz.mutate import Frames, Mutator
from tests.system.running import engine, write_config

FEEDS = ("slices", "pushed", "documents", "replies", "questions", "resend")
SHARES = (5, 2, 4, 1, 3, 1)
AT_ONCE = 400
PATIENCE_S = 120.0
SAMPLES = 50
QUESTIONS_IN_FLIGHT = 16
"""Of a screen that does not read its answers, more than twice as many are dropped."""
WARM_UP = 0.3
HONEST = 10**6
INTRODUCTION, HONEST_MESSAGES = 4, 98


@dataclass
class Report:
    """What was sent into each socket, what the engine counted, and its memory (MB) meanwhile."""

    sent: Counter[str] = field(default_factory=Counter)
    counted: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    bad: Counter[str] = field(default_factory=Counter)
    memory_MB: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def grown_MB(self) -> float:
        """Growth between the middle of what follows the warm-up, and its end: medians of a few."""
        after = self.memory_MB[int(WARM_UP * len(self.memory_MB)) :]
        few = max(1, len(after) // 6)
        return sorted(after[-few:])[few // 2] - sorted(after[:few])[few // 2]

    def __str__(self) -> str:
        total = self.sent.total()
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.bad.most_common(12))
        memory = ", ".join(f"{value:.0f}" for value in self.memory_MB[:: max(1, SAMPLES // 10)])
        return (
            f"{total} sent in {self.seconds:.0f} s: {dict(self.sent)}\n"
            f"counted {self.counted}, expected {self.expected}\n"
            f"bad: {kinds}\nmemory of the engine, MB: {memory}; after the warm-up "
            f"{self.grown_MB:+.1f}"
        )


class Sockets:
    """The other ends of all sockets of an engine. Nothing that is sent here is dropped."""

    def __init__(self, settings: Settings, resend_at: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.slices = self._bound(zmq.XPUB, settings.feeds.slices[0])
        self.documents = self._bound(zmq.XPUB, settings.feeds.documents[0])
        self.replies = self._bound(zmq.ROUTER, settings.requests.endpoint)
        self.resend = self._bound(zmq.ROUTER, resend_at)
        self.pushed = self._connected(zmq.PUSH, settings.feeds.slices_pull)
        self.questions = self._connected(zmq.DEALER, settings.results.pull)
        self.peers: dict[zmq.Socket[bytes], bytes] = {}

    def _bound(self, kind: int, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        if kind == zmq.XPUB:
            made.setsockopt(zmq.XPUB_NODROP, 1)
        else:
            made.setsockopt(zmq.ROUTER_MANDATORY, 1)
        made.setsockopt(zmq.SNDTIMEO, int(1000 * PATIENCE_S))
        made.bind(address)
        return made

    def _connected(self, kind: int, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.setsockopt(zmq.SNDTIMEO, int(1000 * PATIENCE_S))
        made.connect(address)
        return made

    def hear(self, source: zmq.Socket[bytes]) -> list[bytes]:
        """The next message; of a ROUTER, its sender is who is answered from now on."""
        assert source.poll(int(1000 * PATIENCE_S)), "the engine says nothing"
        frames = source.recv_multipart()
        if source.type == zmq.ROUTER:
            self.peers[source] = frames.pop(0)
        return frames

    def send(self, feed: str, frames: Frames) -> bool:
        """False for what this socket cannot send at all."""
        target = getattr(self, feed)
        if target in self.peers:
            frames = [self.peers[target], *frames]
        if not frames or (target in self.peers and len(frames) < 2):
            return False
        target.send_multipart(frames)
        return True

    def close(self) -> None:
        self._context.destroy(linger=0)


def fuzz_engine(
    folder: Path, messages: int, seed: int, say: Callable[[str], None] = lambda text: None
) -> Report:
    """Sends so many messages into an engine. Raises AssertionError where it ends, hangs, does not
    count one of them, or does not measure an honest scan afterwards."""
    with _running(folder) as (process, watcher, sockets, config):
        settings = load(config)
        feeder = _Feeder(settings, sockets, seed)
        report = feeder.report
        began = time.monotonic()
        for sample in range(1, SAMPLES + 1):
            while (left := messages * sample // SAMPLES - report.sent.total()) > 0:
                feeder.send(min(AT_ONCE, left))
                assert process.poll() is None, "the engine has ended"
            feeder.wait_for_answers()
            report.memory_MB.append(resident_MB(process.pid))
            say(f"{report.sent.total()} sent, the engine has {report.memory_MB[-1]:.1f} MB")
        feeder.settle(watcher)
        report.seconds = time.monotonic() - began
        feeds = _honest_scan(sockets, watcher, report.counted["slices"] + HONEST_MESSAGES)
    experiment = open_experiment(settings.experiment.data_dir / settings.experiment.name)
    feeder.check(_lines(experiment))
    _check_replay(experiment, feeds)
    return report


@contextmanager
def _running(
    folder: Path,
) -> Iterator[tuple[subprocess.Popen[str], Watcher, Sockets, Path]]:
    pull, resend_at = free_addresses(2)
    feeds = {"slices_pull": pull, "max_slice_Mpx": 1.0, "max_volume_GB": 1.0, "quiet_s": 0.2}
    config = write_config(folder, feeds=feeds, results={"memory_MB": 50.0}, onset={"mode": "off"})
    with engine(config) as (process, watcher):
        sockets = Sockets(load(config), resend_at)
        try:
            _introduce(sockets, watcher, resend_at)
            yield process, watcher, sockets, config
        finally:
            sockets.close()


def _introduce(sockets: Sockets, watcher: Watcher, resend_at: str) -> None:
    """Until every socket of the engine has connected, and has told its name where that is needed:
    the mailbox' by a request, the one for resending by a question."""
    for source in (sockets.slices, sockets.documents):
        sockets.hear(source)
    watcher.ask(ScanOrder(corpus.CELL))
    sockets.hear(sockets.replies)
    for frames in corpus.slices(resend_at)[:1]:
        sockets.send("slices", frames)
    end = json.dumps(
        {
            "htype": "series_end",
            "msg_number": 30,
            "stream": "s",
            "cell": "A",
            "scan": 0,
            "slices": 9,
        }
    )
    sockets.send("slices", [end.encode()])
    for number in (0, 10**9):  # numbers that are missing are remembered, so many and no more
        lost = {"htype": "series_end", "stream": "x", "cell": "Z", "scan": 0, "slices": 1}
        sockets.send("slices", [json.dumps(lost | {"msg_number": number}).encode()])
    sockets.hear(sockets.resend)


class _Feeder:
    """Sends broken messages, and knows what the engine must have counted."""

    def __init__(self, settings: Settings, sockets: Sockets, seed: int) -> None:
        self.report = Report()
        self._sockets = sockets
        self._limits = limits_of(settings.feeds)
        made = (
            corpus.slices(), corpus.dectris_slices(), corpus.cycler(), corpus.replies(),
            [*corpus.asked(), *corpus.dear()], corpus.resend_answers(),
        )  # fmt: skip
        self._mutators = {
            feed: Mutator(seed + number, messages)
            for number, (feed, messages) in enumerate(zip(FEEDS, made, strict=True))
        }
        self._order = [f for f, share in zip(FEEDS, SHARES, strict=True) for _ in range(share)]
        self._turn = 0
        self._read: Counter[str] = Counter({"slices": INTRODUCTION})
        self._refused: Counter[str] = Counter()
        self._answers = 0

    def send(self, count: int) -> None:
        """So many messages, to one socket after the other."""
        while count > 0:
            feed = self._order[self._turn % len(self._order)]
            self._turn += 1
            frames = self._mutators[feed].message()
            if self._sockets.send(feed, frames):
                count -= 1
                self.report.sent[feed] += 1
                self._note(feed, frames)
            if self.report.sent["questions"] - self._answers >= QUESTIONS_IN_FLIGHT:
                self.wait_for_answers()
        self._take_answers()

    def _note(self, feed: str, frames: Frames) -> None:
        counter, parts = "slices" if feed == "pushed" else feed, 1
        try:
            match counter:
                case "slices":
                    codec.decode(frames, self._limits)
                case "documents":
                    document = documents.decode(b"".join(frames))
                    parts = len(list(documents.portions(document, ROWS_AT_ONCE)))
                case "replies":
                    requests.decode_reply(frames[-1])
                case "questions":
                    queries.decode_request(frames)
                case "resend":
                    counter = _kind(resend.decode_answer(frames, self._limits))
        except BadMessage as error:
            self.report.bad[error.kind] += 1
            self._refused[counter] += 1
        else:
            self._read[counter] += parts

    def _take_answers(self) -> None:
        while self._sockets.questions.poll(0):
            self._sockets.questions.recv_multipart()
            self._answers += 1
        for feed in ("replies", "resend"):
            source = getattr(self._sockets, feed)
            while source.poll(0):
                source.recv_multipart()

    def wait_for_answers(self) -> None:
        """Each question has one answer, whatever it is."""
        end = time.monotonic() + PATIENCE_S
        while self._answers < self.report.sent["questions"]:
            lacking = self.report.sent["questions"] - self._answers
            assert time.monotonic() < end, f"{lacking} questions are not answered"
            self._sockets.questions.poll(100)
            self._take_answers()

    def settle(self, watcher: Watcher) -> None:
        """Until the engine has counted all that it can read, and no more."""
        report, end = self.report, time.monotonic() + PATIENCE_S
        self.wait_for_answers()
        names = ("slices", "documents", "replies")
        report.expected = {name: self._read[name] for name in names}
        while True:
            feeds = watcher.state()["feeds"]
            report.counted = {
                "slices": feeds["slices"]["messages"],
                "documents": feeds["documents"]["messages"],
                "replies": feeds["requests"]["messages"],
            }
            # the engine answers orders itself where too many requests wait
            if all(
                report.counted[name] == report.expected[name]
                or (name == "replies" and report.counted[name] > report.expected[name])
                for name in names
            ):
                report.counted["replies"] = report.expected["replies"]
                break
            assert time.monotonic() < end, f"not all is counted\n{report}"
            time.sleep(0.2)
        report.counted["answers"] = self._answers
        report.expected["answers"] = report.sent["questions"]

    def check(self, lines: Counter[str]) -> None:
        """Every message stands in the journal: what could be read, and what could not be."""
        read, refused, report = self._read, self._refused, self.report
        expected = {
            "slices header": read["slices"] + HONEST_MESSAGES,
            "documents name": read["documents"],
            "replies reply": read["replies"],
            "documents bad": refused["documents"],
            "requests bad": refused["replies"],
            # a header that comes by asking is refused where nobody asked for it
            "slices bad": refused["slices"] + refused["resend"] + read["resend starts"],
            "resend header": read["resend slices"],
        }
        found = Counter(lines)
        found["slices bad"] += found["resend starts"]
        report.counted |= {f"journal: {name}": found[name] for name in expected}
        report.expected |= {f"journal: {name}": count for name, count in expected.items()}
        assert report.counted == report.expected, str(report)


def _kind(answer: object) -> str:
    """What becomes of an answer of a resend service."""
    if isinstance(answer, ResendEnd):
        return "resend ends"
    return "resend starts" if isinstance(answer, ScanStart) else "resend slices"


def _lines(experiment: Experiment) -> Counter[str]:
    """Messages of a journal, by feed and what they hold."""
    found: Counter[str] = Counter()
    for line in experiment.journal():
        bad, reply = line.get("bad"), line.get("reply")
        if reply is not None and "requests are unanswered" in reply["why"]:
            found["replies of its own"] += 1
        elif bad is not None:
            found[f"{bad['feed']} bad"] += bad["count"]
        elif line["feed"] == "resend" and line["header"]["htype"] == "header":
            found["resend starts"] += 1
        else:
            held = next((name for name in ("header", "name", "reply") if name in line), "other")
            found[f"{line['feed']} {held}"] += 1
    return found


def _check_replay(experiment: Experiment, feeds: dict[str, Any]) -> None:
    """A session that is fed from the recording counts the same, whatever the messages were."""
    session = Session(experiment.settings)
    for _, record in replay_records(experiment):
        session.feed(record)
    assert json.loads(json.dumps(session.feeds)) == feeds


def _honest_scan(sockets: Sockets, watcher: Watcher, messages: int) -> dict[str, Any]:
    """After all that, a whole scan comes, and is measured: the counters of the feeds, once so many
    messages are counted. A scan is whole before its end has arrived."""
    for record in scan_records(0):
        frames: Any = frames_of(record)
        header = json.loads(frames[0]) | {"scan": HONEST, "stream": "honest", "run": "honest"}
        sockets.send("slices", [json.dumps(header).encode(), *frames[1:]])

    def measured(state: dict[str, Any]) -> bool:
        scans = state["cells"][corpus.CELL]["scans"]
        is_whole = any(scan["scan"] == HONEST and scan["complete"] for scan in scans)
        return is_whole and state["feeds"]["slices"]["messages"] >= messages

    feeds: dict[str, Any] = watcher.until(measured, PATIENCE_S, lambda: True)["feeds"]
    header, heights = watcher.ask(MapRequest(corpus.CELL, HONEST, "height"))
    assert header["type"] == "map", header
    assert heights.shape == (48, 48)
    return feeds
