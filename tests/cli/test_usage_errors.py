"""Wrong command lines in the words of settings, as older and newer parsers tell them."""

from __future__ import annotations

import pytest

from monitor.cli.usage_errors import setting_error


class Said(Exception):
    """A parser's error: whatever it has besides its message."""

    def __init__(self, message: str, **has: object) -> None:
        super().__init__(message)
        self.message = message
        vars(self).update(has)


class Param:
    opts = ("-s", "--speed")
    name = "speed"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            Said("'abc' is not a valid float.", param=Param()),
            "--speed: got 'abc', expected a valid float; see --help",
        ),
        (
            Said("0 is not in the range x>=1.", param=Param()),
            "--speed: got '0', expected a number in the range x>=1; see --help",
        ),
        (
            Said("Two\nlines.", param=Param()),
            "--speed: got 'Two lines.', expected a value as described in its help; see --help",
        ),
        (
            Said("", param=Param(), param_type=None),
            "--speed: got None, expected a value; give it, or see --help",
        ),
        (
            Said("Got unexpected extra argument (x)"),
            "arguments: got 'x', expected no more arguments; see --help",
        ),
        (
            Said("something new"),
            "command line: got 'something new', expected a value as described in its help; see "
            "--help",
        ),
    ],
)
def test_every_error_is_one_line(error: Said, line: str) -> None:
    assert str(setting_error(error)) == line
