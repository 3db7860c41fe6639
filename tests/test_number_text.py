"""Numbers as text: no negative zero, no lost error, no "1 pits"."""

import math

import pytest

from monitor.number_text import counted, number, percent, signed, with_error


@pytest.mark.parametrize("value", [-0.0, -0.0004, -1e-9, 0.0, 0.0004])
@pytest.mark.parametrize(("digits", "zero"), [(0, "0"), (1, "0.0"), (3, "0.000")])
def test_what_rounds_to_zero_has_no_sign(value, digits, zero):
    assert number(value, digits) == zero
    assert number(value, digits, "mA") == f"{zero} mA"
    assert signed(value, digits) == zero


def test_a_share_that_rounds_to_zero_has_no_sign():
    assert percent(-0.002) == "0 %"
    assert percent(-0.0) == "0 %"
    assert percent(-0.02) == "-2 %"
    assert percent(0.123, 1) == "12.3 %"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "7", True])
def test_what_is_not_known_is_a_dash(value):
    assert number(value) == signed(value) == with_error(value, 0.1) == "–"


def test_a_sign_stays_on_what_is_not_zero():
    assert number(-0.108, 3, "mA") == "-0.108 mA"
    assert (signed(1.25), signed(-1.25), signed(0.04)) == ("+1.2", "-1.2", "0.0")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (4.0512, 0.03, "4.05 ± 0.03"),
        (4.0512, 0.31, "4.1 ± 0.3"),
        (4.0512, 0.0001, "4.05 ± 0.01"),
        (-0.004, 0.02, "0.00 ± 0.02"),
        (4.0512, None, "4.1"),
    ],
)
def test_an_error_says_how_many_digits_there_are(value, error, text):
    assert with_error(value, error) == text


def test_one_is_not_many():
    assert counted(1, "significant pit") == "1 significant pit"
    assert counted(0, "pit") == "0 pits"
    assert counted(2, "entry", "entries") == "2 entries"
