"""The file that keeps what was sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import SourceError
from monitor.sources.folder.state import SentFolder, SentVolume, read_state, write_state

VOLUME = SentVolume(
    name="scan_0001/rec",
    scan=1,
    reference=True,
    start_time=1.5,
    stop_time=2.5,
    shape=(12, 10, 8),
    dtype="float32",
    voxel_size_um=(0.65, 0.65, 0.65),
    begins_at=0,
    slices=7,
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    state = SentFolder("A").with_volume(VOLUME)
    write_state(tmp_path / "state.json", state)
    assert read_state(tmp_path / "state.json", "A") == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_without_a_file_a_run_begins(tmp_path: Path) -> None:
    first, second = (read_state(tmp_path / "none.json", "A") for _ in range(2))
    assert first.volumes == () and first.run != second.run


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cell": "A", "format": 99}', "\x00"])
def test_another_file_is_refused_and_left(text: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(SourceError, match="is not a list of what was sent; remove it"):
        read_state(path, "A")
    assert path.read_text() == text


def test_that_of_another_cell_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path / "state.json", SentFolder("B"))
    with pytest.raises(SourceError, match="belongs to cell B, not to A"):
        read_state(tmp_path / "state.json", "A")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot be written .*--state"):
        write_state(tmp_path / "none" / "state.json", SentFolder("A"))


def test_checksums_of_slices_are_kept_with_those_that_were_not_read() -> None:
    sent = VOLUME
    for index, checksum in ((0, 0), (1, 2**32 - 1), (3, None), (4, 5)):
        sent = sent.with_slice(index, checksum)
    assert [sent.checksum(index) for index in range(6)] == [0, 2**32 - 1, None, None, 5, None]
    assert sent.slices == 5
    again = sent.with_slice(1, 7)
    assert again.slices == 2 and again.checksums == sent.checksums, "that of the first sending"
