"""What commands share: options, errors in one line, the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.output import Messages, labelled
from monitor.errors import MissingSoftware, PitwatchError, SettingError

if TYPE_CHECKING:
    from monitor.sockets.keys import ClientKeys
    from monitor.sources.formats import Software

say = Messages(stderr=True)

Config = Annotated[Path, typer.Option("--config", help="TOML file with the settings.")]
Out = Annotated[Path | None, typer.Option("--out", help="Output folder.")]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Whatever is understood ends in one line: exit code 2 for a wrong setting, otherwise 1."""
    try:
        yield
    except SettingError as error:
        say_wrong(error)
        raise typer.Exit(2) from None
    except PitwatchError as error:
        say.print(labelled("error", "red", error), soft_wrap=True)
        raise typer.Exit(1) from None


def tell(text: str) -> None:
    """One line, however long, on what a command does."""
    say.print(text, soft_wrap=True)


def say_wrong(error: SettingError) -> None:
    """One line for a setting, or an option, that cannot be used."""
    say.print(labelled("setting", "red", error), soft_wrap=True)


def open_screen(
    pull: str,
    status: str | None = None,
    cell: str | None = None,
    *,
    viewer: bool = False,
    keys: ClientKeys | None = None,
) -> int:
    """The window; returns its exit code."""
    from monitor.gui.app import run

    return run(pull, status, cell=cell, viewer=viewer, keys=keys)


def print_report(
    experiment: Path, *, as_json: bool, out: Path | None, pictures: Path | None = None
) -> None:
    """The table and figures of a recording."""
    from monitor.report.build import report as build

    result = build(experiment, out=out, as_json=as_json, pictures=pictures)
    if as_json:
        print(json.dumps(result))


def leave(code: int) -> None:
    """Ends the command with this code, unless it is 0."""
    if code:
        raise typer.Exit(code)


def check_installed(software: Software) -> None:
    """Raises MissingSoftware."""
    top = software.module.partition(".")[0]
    if find_spec(top) is None or find_spec(software.module) is None:
        raise MissingSoftware(
            f'{software.files} need {top}, which is not installed: run "pip install '
            f"'pitwatch[{software.extra}]'\""
        )
