"""The reference page of the command line.

`python -m monitor.cli.page > docs/reference/command-line.md`
"""

from __future__ import annotations

import inspect
from typing import Any

import typer

from monitor.cli.command_line import app
from monitor.cli.feeds import with_formats

HEAD = """# Command line

All commands and options, as shown by `--help`. This page is generated from the commands in
`monitor/cli`, by `python -m monitor.cli.page > docs/reference/command-line.md`.

`pitwatch` without a command runs `pitwatch demo`, and `python launch.py` in the source folder is
the same program. A command exits with 0 on success, 2 if a setting or an option is wrong, 130 if it
was interrupted, and 1 after any other failure; it reports an error in one line. Each command has
`--help`; `pitwatch --version` prints the version, and `pitwatch --install-completion` installs
completion of commands and options for your shell.
"""


def page() -> str:
    """The whole page, Markdown."""
    program: Any = typer.main.get_command(app)
    commands = [_command(n, one) for n, one in program.commands.items() if not one.hidden]
    return "\n".join([HEAD, *commands])


def _command(name: str, command: Any) -> str:
    """Its heading, what it does, how it is called, and its options."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [_called(argument) for argument in arguments]
    options = ["[OPTIONS]"] if len(arguments) < len(command.params) else []
    call = " ".join(["pitwatch", name, *words, *options])
    about = inspect.cleandoc(command.help or "")
    table = _table(command.params)
    return f"## {name}\n\n{about}\n\n    {call}\n" + (f"\n{table}" if table else "")


def _called(argument: Any) -> str:
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _table(params: list[Any]) -> str:
    rows = [f"| {_names(one)} | {_default(one)} | {_meaning(one)} |" for one in params]
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows, ""]) if rows else ""


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_called(param)}`"
    return ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if param.secondary_opts:
        return f"`{(param.opts if param.default else param.secondary_opts)[0]}`"
    return f"`{param.default}`" if isinstance(param.default, str) and param.default else ""


def _meaning(param: Any) -> str:
    text = with_formats(param.help).replace("\\[", "[").replace("|", "\\|")
    more = getattr(param, "multiple", False) and "repeated" not in text
    return f"{text} May be repeated." if more else text


if __name__ == "__main__":
    print(page(), end="")
