"""Commands that watch something live: demo, monitor, engine, gui."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor import settings as settings_file
from monitor.cli.shared import (
    Config,
    Out,
    leave,
    one_line_errors,
    open_screen,
    print_report,
    say,
    tell,
)
from monitor.errors import MissingSoftware
from monitor.processes import has_display
from monitor.program import shared_folder
from monitor.settings import Settings

commands = typer.Typer()
HEADLESS_SPEED = 20000.0


@commands.command()
def demo(
    headless: Annotated[bool, typer.Option(help="Run to the end without a screen.")] = False,
    scenario: Annotated[
        str, typer.Option(help="paper-0.55, paper-0.23, first-charge, second-cycle or two-cells.")
    ] = "paper-0.55",
    scans: Annotated[int | None, typer.Option(min=1, help="Stop after this many scans.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of cell time per second.")
    ] = None,
    out: Out = None,
) -> None:
    """Start a simulated beamline, engine and screen; without a display, only run and report."""
    with one_line_errors():
        from monitor.cli.demo import on_free_addresses, run_demo
        from simulators.scenarios import settings_for

        if not headless and not has_display():
            say.print("no display: running to the end without a screen")
            headless = True
        simulated = settings_file.load(shared_folder("config") / "simulated.toml")
        base = settings_for(scenario, simulated)
        table = settings_file.as_table(base)
        table["simulator"] |= {"scenario": scenario}
        if scans is not None:
            table["simulator"]["scans"] = scans
        if speed is not None or headless:
            table["simulator"]["speed"] = speed or HEADLESS_SPEED
        if out is not None:
            table["experiment"]["data_dir"] = str(out)
        settings = on_free_addresses(settings_file.parse(table))
        recording = run_demo(settings, None if headless else open_screen)
        if headless:
            print_report(recording, as_json=False, out=None)
        else:
            tell(f"recorded in {recording}")


@commands.command()
def monitor(config: Config) -> None:
    """Start engine and screen on real feeds."""
    with one_line_errors():
        from monitor.cli.demo import run_monitor
        from monitor.sockets.keys import engine_s_own, reachable

        settings = settings_file.load(config)
        keys = engine_s_own(settings.security)

        def screen(pull: str, status: str) -> int:
            return open_screen(reachable(pull), reachable(status), keys=keys)

        run_monitor(settings, config, screen)


@commands.command()
def engine(
    config: Config,
    out: Out = None,
    new: Annotated[
        bool,
        typer.Option("--new", help="Start a new recording even if the last one was interrupted."),
    ] = False,
) -> None:
    """Start the engine alone: it computes, records, and serves any number of screens.

    It runs until Ctrl-C or SIGTERM ends it. If the last recording of this experiment ended in any
    other way, such as a crash, the engine resumes that recording.
    """
    with one_line_errors():
        from monitor.engine.start import run_engine

        run_engine(settings_file.load(config), out, new=new, say=tell)


@commands.command()
def gui(
    connect: Annotated[
        str, typer.Option(help="The engine's `results.pull` address.")
    ] = Settings().results.pull,
    status: Annotated[
        str | None, typer.Option(help="Its `results.status` address, for updates without delay.")
    ] = None,
    cell: Annotated[str | None, typer.Option(help="The cell to show first.")] = None,
    view_only: Annotated[
        bool,
        typer.Option("--view-only", help="View only: this screen cannot change anything."),
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="File with the secret key of this screen (see `keys`).")
    ] = None,
    server_key: Annotated[
        str | None, typer.Option(help="The engine's public key, or a file that contains it.")
    ] = None,
) -> None:
    """Open a screen for a running engine.

    A screen on another machine needs keys or an ssh tunnel (docs/how-to/remote.md).
    """
    with one_line_errors():
        from monitor.sockets.keys import check_address, client_keys

        check_address(connect, "--connect")
        if status is not None:
            check_address(status, "--status")
        keys = client_keys(key, server_key, (connect, *filter(None, [status])))
        if not has_display():
            raise MissingSoftware(
                "no display: DISPLAY and WAYLAND_DISPLAY are not set; start from a desktop "
                "session, or set QT_QPA_PLATFORM=offscreen"
            )
        leave(open_screen(connect, status, cell, viewer=view_only, keys=keys))
