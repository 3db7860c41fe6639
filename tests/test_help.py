"""The help of every command has all of its words, those in brackets too."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import launch

LAUNCH = Path(launch.__file__)


def commands():
    return sorted(typer.main.get_command(launch.app).commands)


@pytest.mark.parametrize("name", commands())
def test_words_in_brackets_stand_in_the_help(name):
    command = typer.main.get_command(launch.app).commands[name]
    told = [param.help for param in command.params if getattr(param, "help", None)]
    told.append(command.help or "")
    brackets = [word for text in told for word in re.findall(r"\[[a-z.]+\]", text)]
    shown = CliRunner().invoke(launch.app, [name, "--help"], env={"COLUMNS": "200"}).output
    for word in brackets:
        assert word in shown, f"{name} --help loses {word}"


def test_there_are_such_words():
    source = LAUNCH.read_text("utf-8")
    assert "[cells.boundaries]" in source and "[onset]" in source
