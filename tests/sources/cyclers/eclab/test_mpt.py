"""EC-Lab text: bytes in, readings out; written here in every way that is seen in the field."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.errors import SourceError
from monitor.sources.cyclers.eclab.mpt import MptParser
from tests.sources.cyclers.eclab.mpt_files import CURRENT_MA, mpt_text
from tests.sources.cyclers.whole import parsed

START = datetime(2024, 1, 10, 11, 2, 29, 886000, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("header", [None, 3, 5, 9])
def test_every_way_of_writing_gives_the_same_readings(
    newline: str, comma: bool, header: int | None
) -> None:
    table = parsed(mpt_text(newline=newline, comma=comma, header=header))
    time_s = 10.0 * np.arange(12)
    np.testing.assert_allclose(table.time_s, time_s)
    np.testing.assert_allclose(table.potential_V, 2.4 - 0.0001 * time_s)
    np.testing.assert_allclose(table.current_mA, [0.0] + [CURRENT_MA] * 11)
    np.testing.assert_allclose(table.charge_mAh, CURRENT_MA * time_s / 3600.0)
    np.testing.assert_array_equal(table.cycle, [0.0] * 10 + [1.0] * 2)
    np.testing.assert_array_equal(table.step, 1.0)
    assert table.skipped_lines == 0
    assert table.start_time == (pytest.approx(START, abs=1e-6) if header in (9,) else None)


def test_start_time_is_utc_unless_a_zone_is_named() -> None:
    zoned = mpt_text().replace(b"11:02:29.886", b"11:02:29.886+01:00")
    assumed, told = parsed(mpt_text()), parsed(zoned)
    assert assumed.start_time_assumed_utc and not told.start_time_assumed_utc
    assert assumed.start_time is not None and told.start_time is not None
    assert assumed.start_time - told.start_time == pytest.approx(3600.0)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("01/10/2024 11:02:29.886", (2024, 1, 10)),
        ("25/10/2024 11:02:29,886", (2024, 10, 25)),
        ("10.01.2024 11:02:29.886", (2024, 10, 1)),
        ("25.10.2024 11:02:29,886", (2024, 10, 25)),
        ("01-10-2024 11:02:29.886", (2024, 1, 10)),
        ("01/10/2024 11:02:29.886 AM", (2024, 1, 10)),
        ("2024-01-10 11:02:29.886", (2024, 1, 10)),
        ("99/99/2024 11:02:29.886", None),
    ],
)
def test_dates_are_month_first_where_they_can_be(
    written: str, expected: tuple[int, int, int] | None
) -> None:
    table = parsed(mpt_text().replace(b"01/10/2024 11:02:29.886", written.encode()))
    if expected is None:
        assert table.start_time is None
    else:
        whole = datetime(*expected, 11, 2, 29, 886000, tzinfo=UTC).timestamp()
        assert table.start_time == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("name", ["Ewe/V", "Ecell/V", "<Ewe>/V"])
@pytest.mark.parametrize("current", ["<I>/mA", "I/mA"])
def test_columns_are_known_by_their_names(name: str, current: str) -> None:
    table = parsed(mpt_text(renamed={"Ewe/V": name, "<I>/mA": current}))
    assert table.potential_V[3] == pytest.approx(2.397)
    assert table.current_mA[3] == pytest.approx(CURRENT_MA)


def test_current_follows_from_charge_where_it_has_no_column() -> None:
    table = parsed(mpt_text(without=("<I>/mA",)))
    np.testing.assert_allclose(table.current_mA[1:], CURRENT_MA, rtol=1e-12)
    assert np.isnan(table.current_mA[0])


def test_charge_and_cycle_follow_from_what_is_there() -> None:
    table = parsed(mpt_text(without=("(Q-Qo)/mA.h", "cycle number")))
    np.testing.assert_allclose(table.charge_mAh, CURRENT_MA * table.time_s / 3600.0, atol=1e-15)
    np.testing.assert_array_equal(table.cycle, [0.0] * 10 + [1.0] * 2)


def test_what_the_file_lacks_is_nan() -> None:
    bare = ("ox/red", "Ns", "dq/mA.h", "(Q-Qo)/mA.h", "half cycle", "<I>/mA", "cycle number")
    table = parsed(mpt_text(without=bare))
    for column in (table.current_mA, table.charge_mAh, table.cycle, table.step):
        assert np.isnan(column).all()
    assert np.isfinite(table.potential_V).all()


def test_two_readings_at_one_instant_have_no_derived_current() -> None:
    data = mpt_text(rows=2, without=("<I>/mA",))
    table = parsed(data + data.splitlines(keepends=True)[-1])
    assert np.isnan(table.current_mA[2])


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_a_file_fed_in_pieces_gives_what_it_gives_whole(size: int) -> None:
    data = mpt_text(rows=30, without=("<I>/mA", "(Q-Qo)/mA.h"))
    whole, parser = parsed(data), MptParser("test.mpt")
    pieces = [parser.feed(data[i : i + size]) for i in range(0, len(data), size)]
    assert sum(len(piece) for piece in pieces) == 30
    for name in ("time_s", "current_mA", "charge_mAh", "cycle"):
        np.testing.assert_allclose(
            np.concatenate([getattr(piece, name) for piece in pieces]), getattr(whole, name)
        )


def test_a_growing_line_waits_for_its_end() -> None:
    data, parser = mpt_text(rows=3), MptParser("test.mpt")
    assert len(parser.feed(data[:-30])) == 2
    assert len(parser.feed(data[-30:])) == 1


def test_a_last_line_without_its_end_counts_only_when_it_has_all_fields() -> None:
    data = mpt_text(rows=3, newline="\n")
    assert len(parsed(data[:-1])) == 3
    broken = parsed(data[: data.rindex(b"\t")])
    assert (len(broken), broken.skipped_lines) == (2, 1)


def test_a_spoilt_line_costs_one_reading() -> None:
    lines = mpt_text(rows=5).splitlines(keepends=True)
    lines[-2] = b"XXX\tnonsense\r\n"
    table = parsed(b"".join(lines))
    assert (len(table), table.skipped_lines) == (4, 1)


def test_columns_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        MptParser("test.mpt").feed(mpt_text()).time_s[0] = 1.0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends before its column names"),
        (b"EC-Lab ASCII FILE\r\nNb header lines : 80\r\n", "ends before its column names"),
        (b"a\tb\r\n1\t2\r\n", "no column time/s"),
        (b"\x00\x01\x02", "not text"),
        (b"x" * (2**20 + 1), "not text"),
    ],
)
def test_other_files_are_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        parsed(data)
