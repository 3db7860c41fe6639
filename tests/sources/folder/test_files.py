"""Names, order and completeness of files that are being written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.sources.folder.files import Changes, files_below, natural, number_in


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("scan_0003/rec", 3),
        ("rec_12", 12),
        ("cell_2/rec_0007", 7),
        ("rec_0.65um_0004", 4),
        ("rec_0.65um", None),
        ("scan_5_40keV", 5),
        ("rec", None),
        ("rec_20260301", None),
    ],
)
def test_the_last_whole_number_of_a_name_is_that_of_the_scan(name: str, number: int | None) -> None:
    assert number_in(name) == number


def test_names_are_in_natural_order() -> None:
    names = ["rec_10", "rec_2", "rec", "10", "2", "rec_2b"]
    assert sorted(names, key=natural) == ["rec", "rec_2", "rec_2b", "rec_10", "2", "10"]


def test_a_file_is_settled_once_two_polls_find_it_the_same(tmp_path: Path) -> None:
    path, changes = tmp_path / "a", Changes()
    path.write_bytes(b"1")
    os.utime(path, ns=(10, 10))
    found = []
    for content, time_ns in ((b"1", 10), (b"1", 10), (b"12", 20), (b"12", 20), (b"", 30)):
        path.write_bytes(content)
        os.utime(path, ns=(time_ns, time_ns))
        changes.next_poll()
        found.append(changes.is_settled(path))
    assert found == [False, True, False, True, False]
    path.unlink()
    changes.next_poll()
    assert not changes.is_settled(path) and changes.stat(path) is None


def test_an_older_file_belongs_to_an_earlier_volume(tmp_path: Path) -> None:
    path, changes = tmp_path / "a", Changes()
    path.write_bytes(b"1")
    os.utime(path, ns=(10, 10))
    for _ in range(2):
        changes.next_poll()
        changes.stat(path)
    assert changes.is_settled(path, 9) and not changes.is_settled(path, 10)


def no_leaf(_folder: Path) -> bool:
    return False


def test_folders_are_listed_in_natural_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("s_10/a", "s_2/a", ".hidden/a", "s_2/.part", "b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path for _, files in files_below(tmp_path, no_leaf) for path in files]
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["b", "s_2/a", "s_10/a"]
    leaves = files_below(tmp_path, lambda folder: folder == tmp_path)
    assert [folder for folder, _ in leaves] == [tmp_path]
    with pytest.raises(FileNotFoundError):
        list(files_below(tmp_path / "none", no_leaf))
