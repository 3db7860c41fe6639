"""What is said of the formats of files: everywhere the same, from the readers."""

from __future__ import annotations

from importlib.metadata import requires
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.sources.cyclers import readers as cyclers
from monitor.sources.cyclers.new_readings import at_whole_file
from monitor.sources.cyclers.table import COLUMNS, CyclerTable, make_table
from monitor.sources.formats import Format, Reader, listed
from monitor.sources.volumes import readers as volumes
from tests.sources.cyclers.whole import read_cycler

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "files.md"


@pytest.mark.parametrize("reader", [*cyclers.READERS, *volumes.READERS])
def test_the_guide_names_every_format_and_what_it_needs(reader: Reader) -> None:
    guide, form = GUIDE.read_text("utf-8"), reader.FORMAT
    assert form.name.split()[0] in guide
    for suffix in (word for word in form.files.split(", ") if word.startswith(".")):
        assert f"`{suffix}`" in guide
    if form.software is not None:
        assert f"pitwatch[{form.software.extra}]" in guide
        needed = [line for line in requires("pitwatch") or () if "extra" in line]
        wanted = form.software.distribution or form.software.module
        assert any(line.startswith(wanted) and form.software.extra in line for line in needed)


def test_formats_are_listed_in_one_phrase() -> None:
    assert listed(cyclers.READERS) == (
        "EC-Lab binary (.mpr), Battery Data Format (.bdf, .bdf.csv), "
        "Battery Data Format in Parquet (.parquet) or EC-Lab text (.mpt, .txt, .csv)"
    )


def test_a_file_of_no_format_is_said_with_its_first_line_and_what_can_be_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.nda"
    path.write_bytes(b"NEWARE\x00\x01\nmore")
    with pytest.raises(SourceError) as caught:
        read_cycler(path)
    assert "'NEWARE" in str(caught.value) and listed(cyclers.READERS) in str(caught.value)


def test_another_format_is_one_module_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> CyclerTable:
        columns = dict.fromkeys(COLUMNS, np.arange(float(path.stat().st_size)))
        return make_table(columns, 0.0, True, 0)

    module = SimpleNamespace(
        FORMAT=Format("Other", ".oth"),
        recognises=lambda path, head: head.startswith(b"OTHER"),
        follow=lambda path: at_whole_file(path, lambda: read(path), every=1),
    )
    monkeypatch.setattr(cyclers, "READERS", (module, *cyclers.READERS))
    path, stop = tmp_path / "run.oth", Event()
    path.write_bytes(b"OTHER")
    assert len(read_cycler(path)) == 5
    tables = cyclers.follow(path, stop=stop, poll_s=0.001)
    assert len(next(tables)) == 5
    path.write_bytes(b"OTHER and more")
    assert next(tables).time_s[0] == 5.0
    stop.set()
    assert list(tables) == []


def test_a_format_is_told_by_what_is_inside_too(tmp_path: Path) -> None:
    text = tmp_path / "export"
    text.write_bytes(b"\xef\xbb\xbfEC-Lab ASCII FILE\r\n")
    assert cyclers.reader_of(text).FORMAT.name == "EC-Lab text"
    text.write_bytes(b"mode\ttime/s\tEwe/V\r\n")
    assert cyclers.reader_of(text).FORMAT.name == "EC-Lab text"
    page = tmp_path / "volume"
    page.write_bytes(b"II*\x00")
    assert volumes.reader_of(page).FORMAT.name == "TIFF"
