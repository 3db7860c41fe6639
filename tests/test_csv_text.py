"""Tables of scans as CSV, read by Python's own reader."""

from __future__ import annotations

import csv
import io
import math

from monitor.csv_text import csv_text


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_each_row_says_cell_scan_and_time() -> None:
    text = csv_text(["A", "B"], [3, None], [1.7e9, None], {"depth_um": [1.0, None]})
    assert rows(text) == [
        ["cell", "scan", "time", "depth_um"],
        ["A", "3", "2023-11-14T22:13:20.000000+00:00", "1.0"],
        ["B", "", "", ""],
    ]


def test_numbers_have_five_digits_and_counts_all() -> None:
    text = csv_text(["A"] * 3, [0] * 3, [None] * 3, {"x": [1.23456789, 1234567, math.nan]})
    assert [row[3] for row in rows(text)[1:]] == ["1.2346", "1234567", ""]


def test_no_text_is_a_formula() -> None:
    assert rows(csv_text(["A"], [0], [None], {"note": ["=1+1"]}))[1][3] == "'=1+1"
