"""Recordings that lead outside, through the commands: each ends in one line, and outside nothing is
read, written or waited for. `python -m tests.studies.fuzz --only hostile` takes all kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studies.hostile_recordings.check import check
from tests.studies.hostile_recordings.commands import Commands
from tests.studies.hostile_recordings.kinds import PART, SCAN, kinds, make_outside, make_recording

KINDS = kinds()
HUGE = f"huge entry/ledger/order {2**40}"
"""HDF5 goes through all chunks of such a dataset if it is asked how much of it is stored."""
READERS = ("open", "replay", "report --json", "backtest", "verify --repair")
REFUSED = {
    "pipe experiment.toml": "experiment.toml: is a pipe",
    "pipe journal.jsonl": "journal.jsonl: is a pipe",
    "secret A/events.jsonl": "events.jsonl: is a link to another place",
    "link A": "A: is a link to another place",
    f"link_to_pipe {SCAN}": "scan_0001.h5: is a link to another place",
    f"pipe {PART}": "scan_0002.h5.part: is a pipe",
    "pipe engine.lock": "engine.lock: is a pipe",
    f"external link to a pipe {SCAN} entry/summary": "a link into another file",
    f"soft link {SCAN} entry/ledger": "a link to another place",
    f"piped storage {SCAN} entry/summary/averaged_um": "another file",
    f"virtual of a pipe {SCAN} entry/interface/height": "another file",
    "virtual of a pipe A/A.nxs entry/interface/height": "A.nxs: was written again",
    "virtual of a pipe A/cycler.h5 time": "another file",
    "huge readings, compressed": "time is ",
    "many in summary": "a group of ",
    "sparse A/events.jsonl": "events.jsonl",
    "nested settings": "experiment.toml",
}
"""By kind, what at least one of the commands says of it."""


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    made = Commands()
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.slow
def test_nothing_outside_is_reached(
    commands: Commands, whole: Path, tmp_path: Path, kind: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "recording"))
    outside = make_outside(tmp_path / "outside")
    KINDS[kind](folder, outside)
    said = check(commands, folder, outside, tmp_path / "out", READERS)
    assert any(REFUSED[kind] in line for ended in said.values() for line in ended.lines)


@pytest.mark.parametrize("kind", ["report is a link", "figures are links", "a figure is a pipe"])
@pytest.mark.slow
def test_a_report_is_drawn_into_the_recording_alone(
    commands: Commands, whole: Path, tmp_path: Path, kind: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "recording"))
    outside = make_outside(tmp_path / "outside")
    KINDS[kind](folder, outside)
    ended = check(commands, folder, outside, tmp_path / "out", ["report"])["report"]
    if kind == "report is a link":
        assert ended.code == 1 and "report: is a link to another place" in ended.lines[-1]
    else:
        assert ended.code == 0
        figures = list((folder / "report").iterdir())
        drawn = [path for path in figures if path.is_file() and not path.is_symlink()]
        assert {path.name for path in drawn} >= {"A_height_maps.png", "relief.png"}


@pytest.mark.parametrize(
    "kind", [f"pipe {SCAN}", f"external storage {SCAN} entry/ledger/order", HUGE]
)
def test_messages_are_taken_from_the_recording_alone(
    commands: Commands, whole: Path, tmp_path: Path, kind: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "recording"))
    outside = make_outside(tmp_path / "outside")
    KINDS[kind](folder, outside)
    said = check(commands, folder, outside, tmp_path / "out", ["replay --out", "reprocess"])
    for ended in said.values():
        assert ended.code == 1 and "scan_0001.h5" in ended.lines[-1]
