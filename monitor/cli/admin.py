"""Commands about this machine and its keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import Messages
from monitor.cli.shared import (
    leave,
    one_line_errors,
    tell,
)
from monitor.errors import SettingError
from monitor.program import shared_folder

commands = typer.Typer()


@commands.command()
def keys(
    folder: Annotated[
        Path, typer.Argument(help="Folder for the two key files; created if missing.")
    ],
    name: Annotated[
        str, typer.Option(help="Name of the two files, for example that of their owner.")
    ] = "pitwatch",
) -> None:
    """Make a pair of CURVE keys, for an engine or for a screen (docs/how-to/remote.md)."""
    with one_line_errors():
        from monitor.sockets.keys import make_keys

        public, secret = make_keys(folder, name)
        tell(
            f"keep {secret} private: it is an engine's security.secret_key, or a screen's --key; "
            f"give {public} to the other side: it is listed in an engine's security.operators or "
            "viewers, or given to a screen as --server-key"
        )


@commands.command()
def config(
    name: Annotated[
        str, typer.Argument(help="Name of the configuration; without it, all names are listed.")
    ] = "",
) -> None:
    """Print a configuration to start from: `pitwatch config id15a > my.toml`."""
    with one_line_errors():
        files = {path.stem: path for path in sorted(shared_folder("config").glob("*.toml"))}
        if name and name not in files:
            raise SettingError(
                "configuration", got=name, expected=f"one of {', '.join(files)}", todo="correct it"
            )
        # as the file is: rich would wrap and colour it
        sys.stdout.write(files[name].read_text("utf-8") if name else "\n".join(files) + "\n")


@commands.command()
def doctor() -> None:
    """Check what this machine has, and report what to install."""
    from monitor.cli.doctor import examine

    leave(examine(Messages()))
