"""EC-Lab text as versions, locales and other tools write it: the values, or what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.errors import SourceError
from tests.sources.cyclers.whole import parsed, read_cycler
from tests.sources.samples import sample

START = "09/24/2023 10:11:12.000"
START_S = datetime(2023, 9, 24, 10, 11, 12, tzinfo=UTC).timestamp()
NAMES = ("mode", "Ns", "time/s", "Ewe/V", "<I>/mA", "(Q-Qo)/mA.h", "cycle number")


def text(
    rows: list[list[str]],
    names: tuple[str, ...] = NAMES,
    separator: str = "\t",
    start: str = START,
    tail: str = "",
) -> bytes:
    header = ["EC-Lab ASCII FILE", "Nb header lines : 5", "", f"Acquisition started on : {start}"]
    lines = [*header, separator.join(names) + tail, *(separator.join(row) for row in rows)]
    return ("\r\n".join(lines) + "\r\n").encode("cp1252")


def rows(times: list[str] | None = None, count: int = 6) -> list[list[str]]:
    """−0.1 mA, a reading a minute."""
    times = times or [f"{60.0 * i:.3f}" for i in range(count)]
    charge = [-0.1 * i / 60.0 for i in range(len(times))]
    return [
        ["1", "2", time, f"{2.0 - 0.001 * i:.4f}", "-0.1", f"{charge[i]:.6E}", "1.0"]
        for i, time in enumerate(times)
    ]


def column(values: list[list[str]], name: str, new: list[str]) -> list[list[str]]:
    """The rows with other values in a column."""
    index = NAMES.index(name)
    return [[*row[:index], new[i], *row[index + 1 :]] for i, row in enumerate(values)]


# names and units


@pytest.mark.parametrize(
    "name", ["Ewe/V", "<Ewe>/V", "<Ewe/V>", "Ecell/V", "<Ecell>/V", "<Ecell/V>", "Ewe-Ece/V",
             "<Ewe-Ece/V>", "Ewe / V"],
)  # fmt: skip
def test_the_potential_by_all_its_names(name: str) -> None:
    table = parsed(text(rows(), tuple(name if n == "Ewe/V" else n for n in NAMES)))
    np.testing.assert_allclose(table.potential_V, 2.0 - 0.001 * np.arange(6))
    assert bool(table.notes) == ("Ece" in name and "cell" not in name)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("I/mA", 1.0), ("<I>/mA", 1.0), ("<I/mA>", 1.0), ("I/A", 1e3), ("<I>/µA", 1e-3),
     ("I/nA", 1e-6)],
)  # fmt: skip
def test_the_current_in_all_its_units(name: str, factor: float) -> None:
    table = parsed(text(rows(), tuple(name if n == "<I>/mA" else n for n in NAMES)))
    np.testing.assert_allclose(table.current_mA, -0.1 * factor)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_a_micro_sign_in_any_encoding(encoding: str) -> None:
    data = text(rows(), tuple("<I>/µA" if n == "<I>/mA" else n for n in NAMES))
    table = parsed(data.decode("cp1252").encode(encoding))
    np.testing.assert_allclose(table.current_mA, -1e-4)
    assert table.start_time == START_S


@pytest.mark.parametrize(
    ("name", "factor"),
    [("(Q-Qo)/C", 1 / 3.6), ("(Q-Qo)/A.h", 1e3), ("(Q-Qo)/mA·h", 1.0), ("(Q-Qo)/µA.h", 1e-3),
     ("(Q-Qo)/mAh", 1.0)],
)  # fmt: skip
def test_the_charge_in_all_its_units(name: str, factor: float) -> None:
    table = parsed(text(rows(), tuple(name if n == "(Q-Qo)/mA.h" else n for n in NAMES)))
    np.testing.assert_allclose(table.charge_mAh, -0.1 * factor * np.arange(6) / 60.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["(Q-Qo)/C", "(Q-Qo)/mA.h"])
def test_the_current_from_the_charge_alone(name: str) -> None:
    factor = 3.6 if name.endswith("C") else 1.0
    values = column(rows(), "(Q-Qo)/mA.h", [f"{-0.1 * factor * i / 60:.9E}" for i in range(6)])
    names = tuple({"(Q-Qo)/mA.h": name, "<I>/mA": "<P>/W"}.get(n, n) for n in NAMES)
    for size in (0, 7):
        table = parsed(text(values, names), size)
        assert np.isnan(table.current_mA[0])
        np.testing.assert_allclose(table.current_mA[1:], -0.1, rtol=1e-6)
        assert any("no column for the current" in note for note in table.notes)


def test_the_mean_current_is_taken_before_the_one_of_an_instant() -> None:
    names = (*NAMES, "I/mA")
    table = parsed(text([[*row, "7.0"] for row in rows()], names))
    np.testing.assert_allclose(table.current_mA, -0.1)


# what is missing is told


def renamed(*missing: str) -> tuple[str, ...]:
    return tuple("P/W" if name in missing else name for name in NAMES)


def test_a_missing_potential_is_told() -> None:
    table = parsed(text(rows(), renamed("Ewe/V")))
    assert np.isnan(table.potential_V).all()
    assert table.notes == (
        "cell.mpt: no column for the potential (Ewe/V, Ecell/V): it is not known",
    )


@pytest.mark.parametrize("size", [0, 1, 50])
def test_missing_current_and_charge_are_told(size: int) -> None:
    table = parsed(text(rows(), renamed("<I>/mA", "(Q-Qo)/mA.h")), size)
    assert np.isnan(table.current_mA).all() and np.isnan(table.charge_mAh).all()
    (note,) = table.notes
    assert "no column for current or charge" in note and "export the file again" in note


def test_a_set_current_is_taken_for_want_of_a_measured_one_and_told() -> None:
    names = tuple({"<I>/mA": "control/mA", "(Q-Qo)/mA.h": "P/W"}.get(n, n) for n in NAMES)
    table = parsed(text(rows(), names))
    np.testing.assert_allclose(table.current_mA, -0.1)
    assert "the set current (control/mA) is used" in table.notes[0]


def test_nothing_is_told_of_a_file_that_has_all() -> None:
    assert parsed(text(rows())).notes == ()


@pytest.mark.parametrize("size", [0, 1, 33])
@pytest.mark.parametrize("seen_from", [None, 3])
def test_ewe_of_0_beside_the_cell_potential(seen_from: int | None, size: int) -> None:
    ewe = ["0.0"] * 6 if seen_from is None else [*["0"] * seen_from, *["1.5"] * (6 - seen_from)]
    values = [[*row, "2.5"] for row in column(rows(), "Ewe/V", ewe)]
    table = parsed(text(values, (*NAMES, "Ewe-Ece/V")), size)
    expected = [2.5] * 6 if seen_from is None else [2.5] * 3 + [1.5] * 3
    np.testing.assert_allclose(table.potential_V, expected)
    assert any("Ewe is 0" in note for note in table.notes) == (seen_from is None)


# rows


@pytest.mark.parametrize("tail", ["\t\tEwe-Ece/V", "\tEwe-Ece/V\tP/W\t", "\tQ charge/mA.h"])
@pytest.mark.parametrize("size", [0, 40])
def test_rows_shorter_than_the_line_of_names(tail: str, size: int) -> None:
    table = parsed(text(rows(), tail=tail), size)
    assert (len(table), table.skipped_lines) == (6, 0)
    np.testing.assert_allclose(table.potential_V, 2.0 - 0.001 * np.arange(6))
    np.testing.assert_allclose(table.current_mA, -0.1)
    assert [("Ewe-Ece/V" in note) for note in table.notes] == [True] * ("Ece" in tail)


def test_a_row_cut_short_among_whole_ones_is_skipped() -> None:
    values = rows()
    values[3] = values[3][:4]
    table = parsed(text(values))
    assert (len(table), table.skipped_lines) == (5, 1)


# separators


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize("quoted", [False, True])
def test_other_separators(separator: str, quoted: bool) -> None:
    values, names = rows(), NAMES
    if separator == ";":
        values = [[field.replace(".", ",") for field in row] for row in values]
    if quoted:
        names = tuple(f'"{name}"' for name in names)
        values = [[f'"{field}"' for field in row] for row in values]
    table = parsed(text(values, names, separator))
    np.testing.assert_allclose(table.time_s, 60.0 * np.arange(6))
    np.testing.assert_allclose(table.potential_V, 2.0 - 0.001 * np.arange(6))
    assert table.start_time == START_S


@pytest.mark.parametrize("size", [0, 1])
def test_two_bytes_a_letter_are_named(size: int) -> None:
    with pytest.raises(SourceError, match="is UTF-16 text; save it as UTF-8"):
        parsed(text(rows()).decode("cp1252").encode("utf-16"), size)


def test_decimal_commas_between_quotes() -> None:
    values = [[f'"{field.replace(".", ",")}"' for field in row] for row in rows()]
    np.testing.assert_allclose(parsed(text(values, separator=",")).current_mA, -0.1)


def test_commas_for_both_are_refused() -> None:
    values = [[field.replace(".", ",") for field in row] for row in rows()]
    with pytest.raises(SourceError, match="commas separate both values and decimals"):
        parsed(text(values, separator=","))


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize(
    ("sent", "expected", "told"),
    [("-1,234", -1234.0, True), ("-1,234.5", -1234.5, True), ("-1,234,567", -1234567.0, True),
     ("-1.5", -1.5, False), ("-234.567", -234.567, False), ("-12", -12.0, False),
     ("-1.234E+003", -1234.0, False)],
)  # fmt: skip
def test_thousands_are_told_from_decimals_by_the_other_numbers(
    sent: str, expected: float, told: bool, decimal: str
) -> None:
    """The numbers of a file agree on the decimal sign, and some have no other."""
    if decimal == ",":
        sent = sent.translate(str.maketrans(".,", ",."))
    values = [[field.replace(".", decimal) for field in row] for row in rows()]
    table = parsed(text(column(values, "<I>/mA", [sent] * 6)))
    np.testing.assert_allclose(table.current_mA, expected)
    np.testing.assert_allclose(table.potential_V, 2.0 - 0.001 * np.arange(6))
    assert any("is read as" in note for note in table.notes) == told


def test_a_time_with_thousands_is_a_time() -> None:
    times = ["0", "500.5", "1,000", "1,500.25", "12,000"]
    table = parsed(text(rows(times)))
    np.testing.assert_allclose(table.time_s, [0.0, 500.5, 1000.0, 1500.25, 12000.0])


def test_a_file_that_does_not_show_its_decimal_sign_has_decimals() -> None:
    values = [["1", "2", str(60 * i), f"3,{700 - i}", "-1,384", "0", "1"] for i in range(6)]
    table = parsed(text(values))
    np.testing.assert_allclose(table.potential_V, 3.7 - 0.001 * np.arange(6))
    np.testing.assert_allclose(table.current_mA, -1.384)


# dates


@pytest.mark.parametrize(
    ("start", "expected", "told"),
    [
        ("11.12.2020 09:08:07.250", datetime(2020, 11, 12, 9, 8, 7, 250000), True),
        ("09/24/2023 10:11:12.000", datetime(2023, 9, 24, 10, 11, 12), False),
        ("24.09.2023 10:11:12", datetime(2023, 9, 24, 10, 11, 12), False),
        ("03.03.2023 10:11:12", datetime(2023, 3, 3, 10, 11, 12), False),
        ("2023-04-05 10:11:12", datetime(2023, 4, 5, 10, 11, 12), False),
        ("04/05/2023 10:11:12 PM", datetime(2023, 4, 5, 22, 11, 12), True),
    ],
)
def test_dates_are_month_first_and_ambiguous_ones_told(
    start: str, expected: datetime, told: bool
) -> None:
    table = parsed(text(rows(), start=start))
    assert table.start_time == pytest.approx(expected.replace(tzinfo=UTC).timestamp())
    notes = [f"{expected.day} {expected:%B %Y}" in note for note in table.notes]
    assert notes == [True] * told


@pytest.mark.parametrize("style", ["%m/%d/%Y", "%m.%d.%Y", "%d.%m.%Y", "%d/%m/%Y", "%Y-%m-%d"])
@pytest.mark.parametrize("size", [0, 60])
def test_absolute_times(style: str, size: int) -> None:
    moments = [datetime(2023, 9, 24, 10, 11, 12, 500000) + timedelta(minutes=i) for i in range(6)]
    times = [f"{moment:{style} %H:%M:%S.%f}"[:-3] for moment in moments]
    table = parsed(text(rows(times), start=f"{moments[0]:{style}} 10:11:12.000"), size)
    assert table.start_time == START_S
    np.testing.assert_allclose(table.time_s, 0.5 + 60.0 * np.arange(6), atol=1e-5)
    np.testing.assert_allclose(table.current_mA, -0.1)


def test_absolute_times_over_a_change_of_day_tell_the_order() -> None:
    """11.12., 12.12. and 13.12. are days in December, not a day each in three months."""
    moments = [datetime(2020, 12, 11, 23, 0) + timedelta(hours=13 * i) for i in range(4)]
    times = [f"{moment:%d.%m.%Y %H:%M:%S}" for moment in moments]
    table = parsed(text(rows(times), start=times[0]))
    assert table.start_time == moments[0].replace(tzinfo=UTC).timestamp()
    np.testing.assert_allclose(table.time_s, 13 * 3600.0 * np.arange(4))


def test_absolute_times_without_a_header() -> None:
    times = [f"09/24/2023 10:{11 + i}:12.500" for i in range(6)]
    data = text(rows(times)).split(b"\r\n", 4)[4]
    table = parsed(data)
    assert table.start_time == START_S + 0.5
    np.testing.assert_allclose(table.time_s, 60.0 * np.arange(6))


def test_hours_minutes_and_seconds() -> None:
    times = [f"0:{i:02d}:30.5" for i in range(6)]
    np.testing.assert_allclose(parsed(text(rows(times))).time_s, 30.5 + 60.0 * np.arange(6))


# time/s that starts again


@pytest.mark.parametrize("size", [0, 1, 45])
@pytest.mark.parametrize("first", [0.0, 5.0])
def test_a_second_technique_is_continued_and_told(first: float, size: int) -> None:
    times = [f"{t:.1f}" for t in (0, 60, 120, 180, first, first + 60, first + 120)]
    table = parsed(text(rows(times)), size)
    np.testing.assert_allclose(table.time_s, 60.0 * np.arange(7))
    (note,) = table.notes
    assert "time/s starts again: continued at 240 s;" in note


def test_two_restarts_are_continued() -> None:
    times = [f"{t:.1f}" for t in (0, 10, 20, 0, 10, 20, 0, 10, 20)]
    table = parsed(text(rows(times)))
    np.testing.assert_allclose(table.time_s, 10.0 * np.arange(9))
    assert "starts again: continued at 30, 60 s" in table.notes[0]


def test_a_restart_without_a_current_makes_no_spike_of_one() -> None:
    times = [f"{t:.1f}" for t in (0, 60, 120, 0, 60, 120)]
    values = column(rows(times), "(Q-Qo)/mA.h", [f"{-0.1 * (i % 3) / 60:.9E}" for i in range(6)])
    table = parsed(text(values, renamed("<I>/mA")))
    np.testing.assert_allclose(table.current_mA[[1, 2, 4, 5]], -0.1, rtol=1e-6)
    assert np.isnan(table.current_mA[[0, 3]]).all()


@pytest.mark.parametrize("size", [0, 1])
def test_readings_that_lie_before_others_are_dropped_and_counted(size: int) -> None:
    times = [f"{t:.1f}" for t in (0, 600, 1200, 1000, 1100, 1260)]
    table = parsed(text(rows(times)), size)
    np.testing.assert_allclose(table.time_s, [0, 600, 1200, 1260])
    assert "2 readings dropped" in table.notes[0]


def test_a_clock_set_back_drops_readings_and_says_how_many() -> None:
    times = [
        f"10/29/2023 {t}" for t in ("02:30:00", "02:50:00", "02:10:00", "02:40:00", "03:10:00")
    ]
    table = parsed(text(rows(times), start="10/29/2023 00:00:00"))
    assert len(table) == 3 and "2 readings dropped" in table.notes[0]


def test_a_jitter_of_the_clock_is_no_restart() -> None:
    times = [f"{t:.3f}" for t in (0, 60, 59.999, 120)]
    table = parsed(text(rows(times)))
    np.testing.assert_allclose(table.time_s, [0, 60, 59.999, 120])
    assert table.notes == ()


@pytest.mark.parametrize("name", ["tiny", "decimal_comma", "short_header", "no_header"])
def test_nothing_is_told_of_real_files_but_an_ambiguous_date(name: str) -> None:
    notes = read_cycler(sample(f"eclab/{name}.mpt")).notes
    assert all("is read with the month first" in note for note in notes)


def test_a_real_file_without_a_current_says_so() -> None:
    (note,) = read_cycler(sample("eclab/ocv.mpt")).notes
    assert "no column for current or charge" in note


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_a_field_that_was_cut_is_not_known(cut: int) -> None:
    """`-2.7E-0` is not `-2.7E-03`: a last line without its end may lack digits."""
    data = text([row[:-1] for row in rows()], NAMES[:-1])[:-2]
    whole, table = parsed(data), parsed(data[:-cut])
    assert np.isfinite(whole.charge_mAh).all() and len(table) == len(whole) == 6
    np.testing.assert_array_equal(table.charge_mAh[:-1], whole.charge_mAh[:-1])
    assert np.isnan(table.charge_mAh[-1]) and table.time_s[-1] == 300.0


# what nobody tried before


@pytest.mark.parametrize(
    ("start", "right", "told"),
    [
        ("09/24/23 10:11:12", "2023-09-24T10:11:12+00:00", True),
        ("24/09/23 10:11:12", "2023-09-24T10:11:12+00:00", True),
        ("24.09.23 10:11:12,5", "2023-09-24T10:11:12.500000+00:00", True),
        ("09/24/2023 10:11", "2023-09-24T10:11:00+00:00", False),
        ("09/24/2023 10:11:12 p.m.", "2023-09-24T22:11:12+00:00", False),
        ("09/24/2023 12:11:12 a. m.", "2023-09-24T00:11:12+00:00", False),
        ("2023-09-24T10:11:12Z", "2023-09-24T10:11:12+00:00", False),
        ("2023-09-24 10:11:12.25+02:00", "2023-09-24T08:11:12.250000+00:00", False),
    ],
)
def test_start_times_in_other_forms(start: str, right: str, told: bool) -> None:
    table = parsed(text(rows(), start=start))
    assert table.start_time == datetime.fromisoformat(right).timestamp()
    assert any("is read with the" in note for note in table.notes) == told
    assert table.start_time_assumed_utc == (not start.endswith(("Z", "+02:00")))


@pytest.mark.parametrize("start", ["24 Sep 2023 10:11:12", "09/24/2023", "yesterday"])
def test_a_start_that_is_no_date_is_told(start: str) -> None:
    table = parsed(text(rows(), start=start))
    assert table.start_time is None
    assert any(f"start '{start}' cannot be read as a date" in note for note in table.notes)


def test_a_header_with_the_month_first_beside_rows_with_the_day_first() -> None:
    times = [f"24/09/2023 10:{11 + i}:12.500" for i in range(6)]
    table = parsed(text(rows(times)))
    assert table.start_time == START_S and not table.notes
    np.testing.assert_allclose(table.time_s, 0.5 + 60.0 * np.arange(6), atol=1e-5)


HEADERS = {
    "one more": lambda data: data.replace(b"lines : 5", b"lines : 6"),
    "one less": lambda data: data.replace(b"lines : 5", b"lines : 4"),
    "none": lambda data: data.replace(b"lines : 5", b"lines : 0"),
    "no number": lambda data: data.replace(b"Nb header lines : 5", b"Nb header lines :"),
    "no title": lambda data: data.split(b"\r\n", 1)[1],
    "blank line first": lambda data: b"\r\n" + data,
    "comment of two lines": lambda data: data.replace(b": 5\r\n", b": 5\r\nfoil\r\nfrom Li\r\n"),
}


@pytest.mark.parametrize("size", [0, 9])
@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_another_length_than_they_say(name: str, size: int) -> None:
    table = parsed(HEADERS[name](text(rows())), size)
    assert len(table) == 6 and table.start_time == START_S
    np.testing.assert_allclose(table.current_mA, -0.1)


@pytest.mark.parametrize("bad", ["1.234,5", "---", "1.#QNAN0", "inf", "nan"])
@pytest.mark.parametrize("name", ["<I>/mA", "Ewe/V"])
def test_a_value_that_is_no_number_is_told(bad: str, name: str) -> None:
    table = parsed(text(column(rows(), name, [bad, *["-0.1"] * 5])))
    values = table.current_mA if name == "<I>/mA" else table.potential_V
    np.testing.assert_array_equal(values, [np.nan, *[-0.1] * 5])
    assert any(f"column {name} holds '{bad}'" in note for note in table.notes)


@pytest.mark.parametrize("size", [0, 17])
def test_a_second_export_in_one_file_is_refused(size: int) -> None:
    for second in (text(rows()), text([row[::-1] for row in rows()], NAMES[::-1])):
        with pytest.raises(SourceError, match="another export begins at line 12"):
            parsed(text(rows()) + second, size)
    other = ("\t".join(NAMES[::-1]) + "\r\n").encode()
    with pytest.raises(SourceError, match="another export begins at line 12"):
        parsed(text(rows()) + other, size)


@pytest.mark.parametrize("tail", ["", "\t\t"])
def test_the_same_names_again_are_passed_over(tail: str) -> None:
    first, second = rows(), rows([f"{360 + 60 * i}" for i in range(6)])
    again = ("\t".join(NAMES) + tail + "\r\n").encode()
    table = parsed(text(first) + again + text(second).split(b"cycle number\r\n")[1])
    assert len(table) == 12 and not table.notes and not table.skipped_lines


@pytest.mark.parametrize("size", [0, 13])
@pytest.mark.parametrize("before", [[-0.1, -0.2, -0.3], [0.4, 0.8, 1.2, 1.2]])
def test_a_count_that_starts_from_0_again_makes_no_spike(before: list[float], size: int) -> None:
    counts = [0.0, *before, 0.0, -0.1, -0.2]
    data = column(rows(count=len(counts)), "(Q-Qo)/mA.h", [str(count) for count in counts])
    short = [[value for i, value in enumerate(row) if NAMES[i] != "<I>/mA"] for row in data]
    table = parsed(text(short, tuple(name for name in NAMES if name != "<I>/mA")), size)
    right = np.diff(counts, prepend=np.nan) * 60.0
    right[len(before) + 1] = np.nan
    np.testing.assert_allclose(table.current_mA, right, rtol=1e-9)
    assert any("restarts from 0" in note for note in table.notes)


def test_a_charge_that_passes_0_is_no_new_count() -> None:
    counts = [0.0, -0.1, -0.2, -0.1, 0.0, 0.1]
    data = column(rows(), "(Q-Qo)/mA.h", [str(count) for count in counts])
    short = [[value for i, value in enumerate(row) if NAMES[i] != "<I>/mA"] for row in data]
    table = parsed(text(short, tuple(name for name in NAMES if name != "<I>/mA")))
    np.testing.assert_allclose(table.current_mA[1:], np.diff(counts) * 60.0, rtol=1e-9)
    assert not any("restarts from 0" in note for note in table.notes)


@pytest.mark.parametrize("size", [0, 50])
def test_times_that_run_backwards_are_refused(size: int) -> None:
    with pytest.raises(SourceError, match="time/s runs backwards"):
        parsed(text(rows()[::-1]), size)


def test_zero_bytes_name_their_line() -> None:
    with pytest.raises(SourceError, match=r"zero bytes after line 11; .* export it again"):
        parsed(text(rows()) + bytes(64))


@pytest.mark.parametrize(
    "first",
    ["Data_Point,Test_Time(s),Current(A),Voltage(V)", "Test Time / s,Voltage / V,Current / A",
     "DataPoint,Cycle Index,Time,Total Time,Current(mA),Voltage(V)", "<html>404 not found</html>"],
)  # fmt: skip
def test_files_of_other_cyclers_show_their_first_line(first: str) -> None:
    with pytest.raises(SourceError, match=r"no column time/s up to line 1 \('") as caught:
        parsed(f"{first}\r\n1,0.0,0.1,2.0\r\n".encode())
    assert first[:40] in str(caught.value) and "files of other cyclers cannot be read" in str(
        caught.value
    )
