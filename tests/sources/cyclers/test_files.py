"""Several EC-Lab files of one cell, joined by their times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.errors import SettingError, SourceError
from monitor.sources.cyclers.files import CyclerFiles, cycler_paths
from tests.sources.cyclers.eclab.mpt_files import mpt_text
from tests.sources.cyclers.whole import read_cycler
from tests.sources.samples import sample

FIRST = 1704884549.886  # 2024-01-10 11:02:29.886 UTC


def write(path: Path, *, first_row: int = 0, rows: int = 6, start: str = "11:02:29.886") -> Path:
    data = mpt_text(rows=rows, first_row=first_row)
    path.write_bytes(data.replace(b"11:02:29.886", start.encode()))
    return path


def joined(*paths: Path) -> tuple[Any, list[str]]:
    files = CyclerFiles(paths, now=0.0)
    return files.first, files.notes


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_techniques_of_one_run_are_joined(order: tuple[int, int], tmp_path: Path) -> None:
    """EC-Lab splits a run by technique: all files count from the same start."""
    files = [write(tmp_path / "a.mpt"), write(tmp_path / "b.mpt", first_row=6)]
    (table, times), notes = joined(*(files[i] for i in order))
    np.testing.assert_allclose(times, FIRST + 10.0 * np.arange(12))
    np.testing.assert_allclose(table.charge_mAh, -0.25 * 10 * np.arange(12) / 3600)
    assert not any("lie before the end" in note for note in notes)
    assert sum("readings, start time without a time zone" in note for note in notes) == 2


def test_runs_that_began_one_after_the_other_are_joined(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.mpt"), write(tmp_path / "b.mpt", start="11:12:29.886")]
    (_, times), _ = joined(*files)
    expected = [*(10.0 * np.arange(6)), *(600 + 10.0 * np.arange(6))]
    np.testing.assert_allclose(times, FIRST + np.array(expected))


def test_two_exports_of_one_run_are_taken_once_and_told(tmp_path: Path) -> None:
    files = [write(tmp_path / "early.mpt"), write(tmp_path / "late.mpt", rows=9)]
    (table, times), notes = joined(*files)
    np.testing.assert_allclose(times, FIRST + 10.0 * np.arange(9))
    np.testing.assert_allclose(table.potential_V, 2.4 - 0.001 * np.arange(9))
    (note,) = [note for note in notes if "lie before the end" in note]
    assert note.startswith("late.mpt: 6 of its 9 readings lie before the end of early.mpt")


def test_an_overlap_of_other_readings_is_told(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.mpt"), write(tmp_path / "b.mpt", start="11:03:04.886")]
    (_, times), notes = joined(*files)
    assert times.size == 12 and (np.diff(times) > 0).all()
    assert any("b.mpt: 2 of its 6 readings lie before the end of a.mpt" in note for note in notes)


def test_text_and_binary_of_one_run_are_one(tmp_path: Path) -> None:
    pytest.importorskip("galvani", reason="the extra 'mpr' is not installed")
    paths = [sample("eclab/tiny.mpt"), sample("eclab/tiny.mpr")]
    files = CyclerFiles(paths, now=0.0)
    with files:
        files.end()  # the last line of the text has no end
        times = [*files.first[1], *(time for _, new in files.new() for time in new)]
    alone = read_cycler(paths[0])
    np.testing.assert_allclose(times, alone.start_time + alone.time_s, atol=1e-3)
    assert any("of its 15 readings lie before the end" in note for note in files.notes)


def test_a_file_without_a_start_cannot_be_joined(tmp_path: Path) -> None:
    bare = tmp_path / "bare.mpt"
    bare.write_bytes(mpt_text(header=None))
    with pytest.raises(SourceError, match=r"bare\.mpt: has no start time"):
        joined(write(tmp_path / "a.mpt"), bare)


def test_all_files_are_followed(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.mpt"), write(tmp_path / "b.mpt", first_row=6)]
    files = CyclerFiles(paths, now=0.0)
    with files:
        for path, first in zip(paths, (12, 18), strict=True):
            with path.open("ab") as file:
                rows = mpt_text(rows=3, first_row=first, header=None)
                file.write(rows.split(b"\n", 1)[1])
        files.end()
        new = [time for _, times in files.new() for time in times]
    np.testing.assert_allclose(sorted(new), FIRST + 10.0 * np.array([12, 13, 14, 18, 19, 20]))
    assert files.problem is None


def test_a_note_that_comes_later_is_added(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mpt")
    files = CyclerFiles([path], now=0.0)
    files.notes.clear()
    with files:
        with path.open("ab") as file:
            file.write(mpt_text(rows=3, header=None).split(b"\n", 1)[1])
        files.end()
        assert [len(table) for table, _ in files.new()] == [3]
    assert any("time/s starts again: continued at 60 s" in note for note in files.notes)


def test_patterns_name_files_in_order(tmp_path: Path) -> None:
    for name in ("run_02.mpt", "run_01.mpt", "._run_01.mpt", "other.mpt"):
        (tmp_path / name).write_bytes(b"")
    found = cycler_paths(
        [f"{tmp_path}/run_*.mpt", tmp_path / "other.mpt", f"{tmp_path}/run_0[12].*"]
    )
    assert [path.name for path in found] == ["run_01.mpt", "run_02.mpt", "other.mpt"]
    with pytest.raises(SettingError, match=r"--cycler: got '.*none_\*\.mpt', expected a file"):
        cycler_paths([f"{tmp_path}/none_*.mpt"])


def test_a_name_with_signs_of_a_pattern_is_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "cell[1].mpt")
    assert cycler_paths([path]) == [path]
