"""Broken recordings: each is opened, replayed, reported and judged, or refused in one line."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import PitwatchError
from monitor.plain_text import is_plain
from monitor.playback.opened import Recorded, serving_settings
from monitor.recording import format
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import as_lines, verify
from monitor.report.build import report
from monitor.report.policies import backtest
from monitor.reprocess.measure import reprocess
from monitor.reprocess.settings import changed
from tests.core.experiment import experiment, settings
from tests.helpers.pools import Here
from tests.recording.synthetic import frames_of
from tests.studies.fuzz.mutate import Mutator
from tests.studies.hostile_recordings import kinds as hostile
from tests.studies.hostile_recordings.check import COMMANDS, check, state
from tests.studies.hostile_recordings.commands import Commands
from tests.studies.hostile_recordings.kinds import make_outside

FILES = (
    format.JOURNAL_FILE,
    format.SETTINGS_FILE,
    f"A/{format.EVENTS_FILE}",
    f"A/{format.EVENTS_FILE}",
)
LONGEST_LINE = 3000
HANGS_S = 300.0
SHARE_OF_FILES = 0.5
HOSTILE = hostile.kinds()
MOVES = ("link ", "picture")
"""Kinds that put something of their own outside."""


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
    """Breaks a recording so many times, in one line of one of its files or in the type, size or
    links of one, and uses it in every way. Raises AssertionError for anything but success and an
    error of one line, and for a change of what is outside; ends the process where one waits."""
    whole = make_recording(folder)
    outside = make_outside(folder / "outside")
    unchanged = state(outside)
    rng, outcomes = random.Random(seed), Counter[str]()
    for number in range(count):
        broken = folder / f"broken-{number}"
        shutil.copytree(whole, broken)
        change = _break(broken, outside, rng)
        for use in USES:
            name = use.__name__.strip("_")
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    faulthandler.dump_traceback_later(HANGS_S, exit=True)
                    use(broken)
            except PitwatchError as error:
                assert "\n" not in str(error), (name, change)
                assert len(str(error)) < LONGEST_LINE, (name, change)
                outcomes[f"{name} refused"] += 1
            except Exception as error:
                raise AssertionError(f"{name}: {change!r:.1500} raised {error!r}") from error
            else:
                outcomes[f"{name} used"] += 1
            finally:
                faulthandler.cancel_dump_traceback_later()
            assert state(outside) == unchanged, (name, change)
        shutil.rmtree(broken)
    return outcomes


def fuzz_hostile(folder: Path, say: Callable[[str], None]) -> int:
    """Every kind of hostile recording through every command, each a process of its own; how many
    commands that were. Raises AssertionError."""
    whole, commands, count = hostile.make_recording(folder / "whole"), Commands(), 0
    try:
        for number, (kind, harm) in enumerate(HOSTILE.items()):
            place = folder / str(number)
            recording = Path(shutil.copytree(whole, place / "recording"))
            outside = make_outside(place / "outside")
            harm(recording, outside)
            ends = check(commands, recording, outside, place / "out", tuple(COMMANDS))
            count += len(ends)
            slowest = max(ended.cpu_s for ended in ends.values())
            largest = max(ended.memory_MB for ended in ends.values())
            say(f"{kind}: at most {slowest:.1f} s of computing, {largest:.0f} MB")
            shutil.rmtree(place)
    finally:
        commands.close()
    return count


def _break(folder: Path, outside: Path, rng: random.Random) -> Any:
    """Changes one line, or makes a file into what it must not be; returns which, and what is there
    now. What leads outside leads to the same place each time, which stays as it is."""
    if rng.random() < SHARE_OF_FILES:
        kind = rng.choice(sorted(HOSTILE))
        mine = folder / "report" if kind.startswith(MOVES) else outside
        mine.mkdir(exist_ok=True)
        HOSTILE[kind](folder, mine)
        return kind
    path = folder / rng.choice(FILES)
    lines = path.read_bytes().splitlines(keepends=True)
    place = rng.randrange(len(lines))
    (changed,) = Mutator(rng.randrange(2**32), [[lines[place].rstrip(b"\n")]]).message()[:1] or [
        b""
    ]
    lines[place] = changed + b"\n"
    path.write_bytes(b"".join(lines))
    return path.name, place, changed
