"""Battery Data Format as CSV, written by its own library and by ours."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.errors import SourceError
from monitor.sources.cyclers import bdf
from monitor.sources.cyclers.readers import follow, reader_of
from monitor.sources.cyclers.table import COLUMNS, CyclerTable
from tests.sources.cyclers.bdf_files import UNIX_S, frame, read, save
from tests.sources.cyclers.whole import joined, read_cycler
from tests.sources.samples import sample


def check(table: CyclerTable, wanted: pd.DataFrame) -> None:
    """Against the columns of `bdf_files.frame`."""
    np.testing.assert_allclose(table.time_s, wanted["Test Time / s"])
    np.testing.assert_allclose(table.potential_V, wanted["Voltage / V"])
    np.testing.assert_allclose(table.current_mA, 1000.0 * wanted["Current / A"])
    np.testing.assert_allclose(table.charge_mAh, 1000.0 * wanted["Net Capacity / Ah"], atol=1e-15)
    np.testing.assert_array_equal(table.cycle, wanted["Cycle Count / 1"])
    assert np.isnan(table.step).all()
    assert table.start_time == UNIX_S - 5.0 and not table.start_time_assumed_utc
    assert table.notes == () and table.skipped_lines == 0


@pytest.mark.parametrize("human", [True, False], ids=["labels", "machine names"])
@pytest.mark.parametrize("name", ["cell.bdf.csv", "cell.csv", "cell.txt"])
def test_what_its_own_library_writes(tmp_path: Path, name: str, human: bool) -> None:
    path = save(frame(), tmp_path / "cell.csv", human=human).rename(tmp_path / name)
    assert reader_of(path) is bdf
    check(read_cycler(path), frame())


@pytest.mark.parametrize("name", ["tiny", "decimal_comma", "short_header"])
@pytest.mark.slow
def test_a_real_measurement_is_the_same_by_way_of_bdf(tmp_path: Path, name: str) -> None:
    """The peer reads EC-Lab's text and writes BDF: we read both alike."""
    source = sample(f"eclab/{name}.mpt")
    ours = read_cycler(source)
    table = read_cycler(save(read(source), tmp_path / "cell.bdf.csv"))
    assert len(table) == len(ours) > 0
    for column in ("time_s", "potential_V", "current_mA", "cycle"):
        np.testing.assert_allclose(getattr(table, column), getattr(ours, column), atol=1e-12)


def text(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pieces_of_any_size(size: int) -> None:
    parser, data = bdf.BdfParser("cell.bdf"), text(frame())
    pieces = [parser.feed(data[first : first + size]) for first in range(0, len(data), size)]
    check(joined([*pieces, parser.finish()]), frame())


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\n"),
        lambda data: data.replace(b"\n", b"\n\n"),
        lambda data: data.replace(b"Current / A", b'"Current / A"'),
    ],
    ids=["CRLF", "byte order mark", "no last line end", "empty lines", "quoted"],
)
def test_ways_of_writing_it(change: object, tmp_path: Path) -> None:
    path = tmp_path / "cell.bdf"
    path.write_bytes(change(text(frame())))  # type: ignore[operator]
    check(read_cycler(path), frame())


def test_a_growing_file_is_followed(tmp_path: Path) -> None:
    path, stop, data = tmp_path / "growing.bdf.csv", threading.Event(), text(frame())
    cut = data.index(b"\n", len(data) // 2) + 9
    path.write_bytes(data[:cut])
    tables = follow(path, stop=stop, poll_s=0.01)
    first = next(tables)
    assert 0 < len(first) < 12
    path.write_bytes(data)
    rest = [next(tables)]
    stop.set()
    check(joined([first, *rest, *tables]), frame())


def test_charge_from_charging_and_discharging_capacity() -> None:
    table = frame().rename(columns={"Net Capacity / Ah": "Discharging Capacity / Ah"})
    table["Discharging Capacity / Ah"] *= -1.0
    table["Charging Capacity / Ah"] = 0.002
    found = bdf.BdfParser("x").feed(text(table))
    wanted = 2.0 - 1000.0 * table["Discharging Capacity / Ah"]
    np.testing.assert_allclose(found.charge_mAh, wanted)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (("Step ID",), 1.0),
        (("Step Count / 1", "Step ID"), 2.0),
        (("Step Index / 1", "Step Count / 1"), 2.0),
        (("step_index",), 1.0),
    ],
)
def test_the_step_by_its_names(columns: tuple[str, ...], wanted: float) -> None:
    table = frame()
    for number, name in enumerate(columns, 1):
        table[name] = number
    found = bdf.BdfParser("x").feed(text(table))
    assert set(found.step) == {wanted}


def test_without_unix_time_the_start_is_unknown() -> None:
    found = bdf.BdfParser("x").feed(text(frame().drop(columns="Unix Time / s")))
    assert found.start_time is None and not found.start_time_assumed_utc


def test_empty_fields_are_not_measured() -> None:
    table = frame()
    table.loc[3:5, "Current / A"] = np.nan
    table.loc[0, "Unix Time / s"] = np.nan
    found = bdf.BdfParser("x").feed(text(table))
    assert np.isnan(found.current_mA[3:6]).all() and np.isfinite(found.current_mA[6:]).all()
    assert found.start_time == UNIX_S - 5.0 and found.notes == ()


def test_what_is_no_number_is_told_and_what_is_no_row_is_counted() -> None:
    lines = text(frame()).splitlines()
    lines[2] = lines[2].replace(b"-0.00025", b"overload", 1)
    lines[4] = b"1,2"
    lines[6] = b"," + lines[6].partition(b",")[2]  # without a time
    parser = bdf.BdfParser("cell.bdf")
    found = parser.feed(b"\n".join([*lines, b""]))
    assert len(found) == 10 and found.skipped_lines == 2 and np.isnan(found.current_mA[1])
    (note,) = found.notes
    assert note == (
        "cell.bdf: column Current / A holds 'overload' and possibly other text: left out"
    )


def test_times_that_start_again_are_continued_and_told() -> None:
    twice = pd.concat([frame(6), frame(6)])
    found = bdf.BdfParser("x").feed(text(twice))
    assert (np.diff(found.time_s) > 0).all() and "starts again" in found.notes[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"Test Time / s,Voltage / V\n1,2\n", "has no column Current / A"),
        (
            b"Test Time / s,Voltage / V,Current / A,Current / A\n1,2,3,4\n",
            "has several columns Current / A, expected one",
        ),
        (
            b"Test Time / s,Voltage / V,Current / A,voltage_volt,Step ID,step_id\n1,2,3,4,5,6\n",
            "has several columns Step ID, Voltage / V, expected one",
        ),
        (b"PK\x03\x04\0\0", "is not text"),
        (b"", "is empty"),
        (b"x" * (2**20 + 1), "is not text"),
    ],
    ids=[
        "a column is missing",
        "a name twice",
        "a label and a name",
        "a packed file",
        "nothing",
        "one long line",
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "cell.bdf"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=said):
        read_cycler(path)


def test_nothing_is_invented_from_noise() -> None:
    noise = np.random.default_rng(0).integers(1, 256, 20_000, np.uint8).tobytes()
    parser = bdf.BdfParser("x")
    found = joined([parser.feed(text(frame())), parser.feed(noise)])
    assert len(found) <= 12 + noise.count(b"\n")
    for name in COLUMNS:
        assert not np.isinf(getattr(found, name)).any()
