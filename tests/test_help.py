"""The help of every command has all of its words, those in brackets too."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli import recordings
from monitor.cli.command_line import app


def commands():
    return sorted(typer.main.get_command(app).commands)


@pytest.mark.parametrize("name", commands())
def test_words_in_brackets_stand_in_the_help(name):
    command = typer.main.get_command(app).commands[name]
    told = [param.help for param in command.params if getattr(param, "help", None)]
    told.append(command.help or "")
    brackets = [word for text in told for word in re.findall(r"\[[a-z.]+\]", text)]
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
    for word in brackets:
        assert word in shown, f"{name} --help loses {word}"


def test_there_are_such_words():
    source = Path(recordings.__file__).read_text("utf-8")
    assert "[cells.boundaries]" in source and "[onset]" in source
