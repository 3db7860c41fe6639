"""Broken recordings: each is opened, replayed, reported and judged, or refused in one line."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.core.session import Session
from monitor.engine.record import Recorder
from monitor.errors import PitwatchError
from monitor.opened import Recorded, serving_settings
from monitor.plain_text import is_plain
from monitor.recording import layout
from monitor.recording.read import open_experiment
from monitor.recording.verify import as_lines, verify
from monitor.report.build import report
from monitor.report.policies import backtest
from monitor.reprocess import reprocess
from monitor.reprocess_settings import changed
from monitor.sources.replay import replay_records
from tests.core.experiment import experiment, settings
from tests.fuzz.mutate import Mutator
from tests.pools import Here
from tests.recording.synthetic import frames_of

FILES = (
    layout.JOURNAL_FILE,
    layout.SETTINGS_FILE,
    f"A/{layout.EVENTS_FILE}",
    f"A/{layout.EVENTS_FILE}",
)
LONGEST_LINE = 3000


def make_recording(folder: Path) -> Path:
    """A small experiment with three scans, through a real session."""
    made = settings(experiment={"data_dir": str(folder), "name": "whole"})
    session, recorder = Session(made), Recorder(made)
    for record in experiment(3):
        feed = "slices" if frames_of(record) else "documents"
        recorder.write(feed, frames_of(record), record, session.feed(record))
    recorder.close()
    return recorder.folder


def _open(folder: Path) -> None:
    found = open_experiment(folder)
    Recorded(found, serving_settings(found, None, None)).publish().close()


def _replay(folder: Path) -> None:
    found = open_experiment(folder)
    session = Session(found.settings)
    for _, record in replay_records(found):
        session.feed(record)


def _report(folder: Path) -> None:
    report(folder, out=None, as_json=True)


def _backtest(folder: Path) -> None:
    backtest([folder], [], out=None, as_json=True)


def _verify(folder: Path) -> None:
    for line in as_lines(verify(folder)):
        assert is_plain(line), line


def _reprocess(folder: Path) -> None:
    found = open_experiment(folder)
    made = reprocess(found, changed(found.settings, []), Here(), folder, lambda text: None)
    shutil.rmtree(made)


USES: tuple[Callable[[Path], None], ...] = (
    _open, _replay, _report, _backtest, _verify, _reprocess,
)  # fmt: skip


def fuzz_recordings(folder: Path, count: int, seed: int) -> Counter[str]:
    """Breaks a recording so many times, in one line of one of its files, and uses it in every way.
    Raises AssertionError for anything but success and an error of one line."""
    whole = make_recording(folder)
    rng, outcomes = random.Random(seed), Counter[str]()
    for number in range(count):
        broken = folder / f"broken-{number}"
        shutil.copytree(whole, broken)
        change = _break(broken, rng)
        for use in USES:
            name = use.__name__.strip("_")
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    use(broken)
            except PitwatchError as error:
                assert "\n" not in str(error), (name, change)
                assert len(str(error)) < LONGEST_LINE, (name, change)
                outcomes[f"{name} refused"] += 1
            except Exception as error:
                raise AssertionError(f"{name}: {change!r:.1500} raised {error!r}") from error
            else:
                outcomes[f"{name} used"] += 1
        shutil.rmtree(broken)
    return outcomes


def _break(folder: Path, rng: random.Random) -> Any:
    """Changes one line; returns its file, and what stands there now."""
    path = folder / rng.choice(FILES)
    lines = path.read_bytes().splitlines(keepends=True)
    place = rng.randrange(len(lines))
    (changed,) = Mutator(rng.randrange(2**32), [[lines[place].rstrip(b"\n")]]).message()[:1] or [
        b""
    ]
    lines[place] = changed + b"\n"
    path.write_bytes(b"".join(lines))
    return path.name, place, changed
