"""The command that sends counters of BLISS scans: publish-bliss."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from monitor.cli.shared import check_installed, one_line_errors, tell
from monitor.processes import stop_on_signal
from monitor.settings import Settings

commands = typer.Typer()


@commands.command("publish-bliss")
def publish_bliss(
    cell: Annotated[str, typer.Option(help="Name of the cell.")] = "A",
    current: Annotated[
        str, typer.Option(help="Counter with the cycler's current, e.g. vmp:I, or I.")
    ] = "",
    potential: Annotated[str, typer.Option(help="Counter with the potential.")] = "",
    charge: Annotated[str, typer.Option(help="Counter with the charge.")] = "",
    cycle: Annotated[str, typer.Option(help="Counter with the number of the cycle.")] = "",
    step: Annotated[str, typer.Option(help="Counter with the number of the step.")] = "",
    counter: Annotated[
        list[str] | None,
        typer.Option(
            help="Another counter, sent under its own name with its own unit; can be repeated."
        ),
    ] = None,
    times: Annotated[
        str,
        typer.Option(
            "--time", help="Counter with the times of the points; by default the timer's epoch."
        ),
    ] = "",
    session: Annotated[
        str, typer.Option(help="BLISS session whose scans are published; by default any.")
    ] = "",
    past: Annotated[
        bool,
        typer.Option(
            "--past",
            help="Also publish scans that are closed already, if the engine has no reading yet.",
        ),
    ] = False,
    redis: Annotated[
        str,
        typer.Option(
            help="BLISS's Redis for scans, redis://host:port; by default the one Beacon names."
        ),
    ] = "",
    beacon: Annotated[
        str,
        typer.Option(help="BLISS's Beacon server, host:port; by default BEACON_HOST."),
    ] = "",
    engine_at: Annotated[
        str, typer.Option("--engine", help="The engine's `results.pull` address.")
    ] = Settings().results.pull,
    documents_in: Annotated[
        str, typer.Option(help="Input address of the documents proxy that is started.")
    ] = Settings().simulator.documents_in,
    documents_out: Annotated[
        str, typer.Option(help="Output address of that proxy, which the engine connects to.")
    ] = Settings().simulator.documents_out,
    key: Annotated[
        str | None, typer.Option(help="File with the secret key of this client (see `keys`).")
    ] = None,
    server_key: Annotated[
        str | None, typer.Option(help="The engine's public key, or a file that contains it.")
    ] = None,
) -> None:
    """Send counters of BLISS scans as readings of a cell's cycler, as they are measured.

    Until Ctrl-C or SIGTERM ends it. If the engine or Redis ends, it waits for it, and then
    continues after the last reading that the engine has.
    """
    with one_line_errors():
        from monitor.sources import bliss

        check_installed(bliss.SOFTWARE)
        from monitor.sockets.keys import check_address, client_keys
        from monitor.sources.bliss.beacon import redis_of
        from monitor.sources.bliss.counters import CounterNames, Quantity
        from monitor.sources.bliss.follow import Wanted
        from monitor.sources.publish_bliss import publish_bliss as run

        check_address(engine_at, "--engine")
        keys = client_keys(key, server_key, (engine_at,))
        named: dict[Quantity, str] = {
            "potential_V": potential,
            "current_mA": current,
            "charge_mAh": charge,
            "cycle": cycle,
            "step": step,
        }
        quantities = {quantity: name for quantity, name in named.items() if name}
        names = CounterNames(quantities, tuple(counter or ()), times)
        with stop_on_signal() as stop:
            run(
                redis or redis_of(beacon or os.environ.get("BEACON_HOST", "")),
                Wanted(cell, names, session, past),
                engine=engine_at,
                keys=keys,
                documents_in=documents_in,
                documents_out=documents_out,
                stop=stop,
                say=tell,
            )
