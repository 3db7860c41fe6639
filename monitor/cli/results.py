"""Commands that give the results of a running engine to others: ioc, publish-results."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from monitor.cli.shared import check_installed, one_line_errors, tell
from monitor.control import EPICS, TILED
from monitor.errors import SettingError
from monitor.processes import stop_on_signal
from monitor.settings import Settings

commands = typer.Typer()
PREFIX = re.compile(r"[A-Za-z0-9_:-]{1,30}")

Connect = Annotated[str, typer.Option(help="The engine's `results.pull` address.")]
Key = Annotated[
    str | None, typer.Option(help="File with the secret key of this client (see `keys`).")
]
ServerKey = Annotated[
    str | None, typer.Option(help="The engine's public key, or a file that contains it.")
]


@commands.command()
def ioc(
    prefix: Annotated[
        str, typer.Option(help="What the names of the process variables begin with.")
    ] = "PITWATCH:",
    connect: Connect = Settings().results.pull,
    interface: Annotated[
        str,
        typer.Option(
            help="Address of this machine at which clients are answered, 0.0.0.0 for all; by "
            "default EPICS_CAS_INTF_ADDR_LIST, or this machine alone."
        ),
    ] = "",
    key: Key = None,
    server_key: ServerKey = None,
) -> None:
    """Serve the results of a running engine as EPICS process variables, read only.

    Until Ctrl-C or SIGTERM ends it. If the engine ends, it waits for the next one.
    """
    with one_line_errors():
        from monitor.sockets.keys import check_address, client_keys

        if not PREFIX.fullmatch(prefix):
            raise SettingError(
                "--prefix",
                got=prefix,
                expected="at most 30 letters, digits and _ : -",
                todo="choose another, such as PITWATCH:",
            )
        check_address(connect, "--connect")
        keys = client_keys(key, server_key, (connect,))
        check_installed(EPICS)
        from monitor.control.ioc import serve

        with stop_on_signal() as stop:
            serve(connect, prefix, keys=keys, interface=interface, stop=stop, say=tell)


@commands.command("publish-results")
def publish_results(
    documents: Annotated[
        str,
        typer.Option(help="Input address of a bluesky Proxy, e.g. 127.0.0.1:5587 (msgpack)."),
    ] = "",
    tiled: Annotated[
        str,
        typer.Option(
            help="Address of a Tiled server, e.g. http://127.0.0.1:8000; its key is in "
            "TILED_API_KEY."
        ),
    ] = "",
    connect: Connect = Settings().results.pull,
    recording: Annotated[
        str,
        typer.Option(help="Folder of the recording here; by default as the engine names it."),
    ] = "",
    key: Key = None,
    server_key: ServerKey = None,
) -> None:
    """Publish the results of a running engine as bluesky documents: a run for each cell, an event
    for each scan.

    Until Ctrl-C or SIGTERM ends it. If the engine ends, it waits for the next one.
    """
    with one_line_errors():
        from monitor.control.publish_results import Proxy, Sink, Tiled
        from monitor.control.publish_results import publish_results as run
        from monitor.sockets.keys import check_address, client_keys

        check_address(connect, "--connect")
        keys = client_keys(key, server_key, (connect,))
        sinks: list[Sink] = []
        if documents:
            address = f"tcp://{documents.removeprefix('tcp://')}"
            check_address(address, "--documents")
            sinks.append(Proxy(address))
        if tiled:
            check_installed(TILED)
            from tiled.client import from_uri

            sinks.append(Tiled(lambda: from_uri(tiled), tiled))
        if not sinks:
            raise SettingError(
                "command line",
                got="neither --documents nor --tiled",
                expected="one of them, or both",
                todo="say where results are published",
            )
        with stop_on_signal() as stop:
            run(connect, sinks, keys=keys, recording=recording, stop=stop, say=tell)
