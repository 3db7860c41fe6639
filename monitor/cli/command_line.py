"""The command line as a whole: `pitwatch`, which alone is the demo."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from monitor.cli import admin, bliss, feeds, live, recordings, results
from monitor.cli.output import make_readable
from monitor.cli.shared import say_wrong
from monitor.cli.usage_errors import Commands, UsageError, setting_error, version

INTERRUPTED = 130

app = typer.Typer(
    cls=Commands,
    help="Real-time operando monitor for lithium-metal electrodes.",
    pretty_exceptions_enable=False,
)
for group in (live, feeds, bliss, results, recordings, admin):
    app.add_typer(group.commands)


def run() -> int:
    """The command line as it was given; returns the exit code."""
    make_readable()
    try:
        code = int(app(standalone_mode=False) or 0)
    except UsageError as error:
        say_wrong(setting_error(error))
        return 2
    except typer.Abort:
        return 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # all is closed that could be; a socket that is not would have the interpreter wait forever
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Real-time operando monitor for lithium-metal electrodes; without a command: the demo, whose
    options (see `demo --help`) may then be given too."""
    if show_version:
        print(f"pitwatch {version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        live.demo()
