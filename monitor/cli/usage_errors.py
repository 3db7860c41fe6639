"""The command line: options of the demo without its name, the version, and what is wrong with it,
worded as every other wrong setting."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Any

import typer
import typer.core

from monitor.errors import SettingError

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Of click, or of typer's own copy of it: typer does not name it."""

OF_NO_COMMAND = ("--help", "--version", "--install-completion", "--show-completion")


class Commands(typer.core.TyperGroup):
    """Options without a command are those of `demo`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in OF_NO_COMMAND:
            args = ["demo", *args]
        return super().parse_args(ctx, args)


def version() -> str:
    """Of pitwatch as it is installed, or as the file beside the program says."""
    try:
        return importlib.metadata.version("pitwatch")
    except importlib.metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])


_SHOULD = re.compile(r"Input should be (?P<expected>.*?)(?:, unable to .*)?", re.DOTALL)
_IS_NOT = re.compile(r"'?(?P<got>.*?)'? is not (?P<expected>.*?)\.?", re.DOTALL)
_QUOTED = re.compile(r"No such command '(?P<got>.*?)'.*", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((?P<got>.*)\)", re.DOTALL)


def setting_error(error: Any) -> SettingError:
    """The one line for a UsageError: a value, option, argument or command that cannot be used."""
    message = " ".join(str(error.message).split())
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    todo = f"see '{context.command_path} --help'" if context else "see --help"
    if param is not None and hasattr(error, "param_type"):  # it is missing
        return SettingError(_name(param), got=None, expected="a value", todo=f"give it, or {todo}")
    if param is not None:
        got, expected = _refused(error, message)
        return SettingError(_name(param), got=got, expected=expected, todo=todo)
    if hasattr(error, "possibilities"):
        near = ", ".join(error.possibilities or ())
        expected = "an option of this command" + (f", perhaps {near}" if near else "")
        return SettingError("option", got=error.option_name, expected=expected, todo=todo)
    if match := _QUOTED.fullmatch(message):
        names = ", ".join(context.command.list_commands(context)) if context else "another"
        return SettingError("command", got=match["got"], expected=f"one of {names}", todo=todo)
    if match := _EXTRA.fullmatch(message):
        return SettingError("arguments", got=match["got"], expected="no more arguments", todo=todo)
    if hasattr(error, "option_name") and "requires" in message:
        return SettingError(error.option_name, got=None, expected="a value", todo=todo)
    return SettingError(
        "command line", got=message, expected="a value as described in its help", todo=todo
    )


def _name(param: Any) -> str:
    """`--speed`, or the name of an argument."""
    return str(max(param.opts, key=len, default=param.name))


def _refused(error: Any, message: str) -> tuple[object, str]:
    """What arrived, and what was expected. The value is in the cause, or in the message."""
    if match := _SHOULD.fullmatch(message):
        details: list[Any] = getattr(error.__cause__, "errors", list)()
        expected = match["expected"].replace("greater", "a number greater")
        return (details[0]["input"] if details else message), expected
    if match := _IS_NOT.fullmatch(message):
        return match["got"], re.sub("^in the", "a number in the", match["expected"])
    return message, "a value as described in its help"
