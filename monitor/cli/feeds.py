"""Commands that send live feeds: publish, simulate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from monitor import settings as settings_file
from monitor.cli.output import progress_of
from monitor.cli.shared import (
    Config,
    one_line_errors,
    say,
    tell,
)
from monitor.errors import SettingError
from monitor.plain_text import visible
from monitor.processes import stop_on_signal
from monitor.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress

commands = typer.Typer()

Cell = Annotated[str, typer.Option(help="Name of the cell.")]
VoxelUm = Annotated[
    float | None, typer.Option("--voxel-um", help="Voxel size; by default that of the files.")
]
KeepBlank = Annotated[
    bool,
    typer.Option(
        "--keep-blank", help="Send slices of a single value too: they are padding, not missing."
    ),
]
Endpoint = Annotated[str, typer.Option(help="Address to publish slices at.")]
Resend = Annotated[
    str, typer.Option(help="Address that resends lost slices on request; none by default.")
]
_ADDRESSES = Settings().simulator


class _NamesFormats(typer.core.TyperCommand):
    """A command whose help names the formats that can be read; only then are their readers loaded,
    which takes half a second."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for param in self.params:
            text = getattr(param, "help", None) or ""
            param.help = with_formats(text)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def with_formats(text: str) -> str:
    """The text with the names of the formats in the places of VOLUMES and CYCLERS."""
    from monitor.sources.cyclers import readers as cyclers
    from monitor.sources.formats import listed
    from monitor.sources.volumes import readers as volumes

    return text.replace("VOLUMES", listed(volumes.READERS)).replace(
        "CYCLERS", listed(cyclers.READERS)
    )


def _shown(stack: ExitStack, progress: Progress) -> Callable[[str, int, int], None]:
    """Prints what a publisher does and finds, with a bar for the slices."""
    bar = progress.add_task("", total=None)

    def show(text: str, sent: int, total: int) -> None:
        if not progress.live.is_started:  # what is wrong before that is one line alone
            stack.enter_context(progress)
        if total:
            progress.update(bar, description=visible(text), completed=sent, total=total)
        else:
            tell(text)

    return show


@commands.command(cls=_NamesFormats)
def publish(
    volumes: Annotated[
        list[Path] | None,
        typer.Argument(help="VOLUMES; without any, the readings of --cycler are sent alone."),
    ] = None,
    cell: Cell = "A",
    voxel_um: VoxelUm = None,
    endpoint: Endpoint = _ADDRESSES.slices,
    cycler: Annotated[
        list[str] | None,
        typer.Option(help="CYCLERS, or a quoted pattern; can be repeated."),
    ] = None,
    cycler_time: Annotated[
        str, typer.Option(help="own: times as in the file; scaled: spread over the scans.")
    ] = "own",
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Follow the growing cycler file until interrupted."),
    ] = False,
    documents_in: Annotated[
        str, typer.Option(help="Input address of the documents proxy started for the cycler.")
    ] = _ADDRESSES.documents_in,
    documents_out: Annotated[
        str, typer.Option(help="Output address of that proxy, which the monitor connects to.")
    ] = _ADDRESSES.documents_out,
    period: Annotated[float, typer.Option(help="Seconds between scans; 0: no pause.")] = 0.0,
    scan_interval: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds between scans in the time of the data."),
    ] = None,
    keep_blank: KeepBlank = False,
    resend: Resend = "",
    engine_at: Annotated[
        str,
        typer.Option(
            "--engine",
            help="The engine's `results.pull` address: slices are sent once it has the readings.",
        ),
    ] = "",
) -> None:
    """Stream real volumes and a cycler file as live feeds, or a cycler file alone."""
    with one_line_errors():
        from rich.progress import TaskProgressColumn, TimeRemainingColumn

        from monitor.sources.publish import publish as run
        from monitor.sources.volumes.volume import open_volumes

        if cycler_time not in ("own", "scaled"):
            raise SettingError(
                "--cycler-time", got=cycler_time, expected="own or scaled", todo="correct it"
            )
        if not volumes and not cycler:
            raise SettingError(
                "volumes",
                got=None,
                expected="a value",
                todo="name the files, or --cycler FILE for its readings alone",
            )
        if not volumes and cycler:
            from monitor.sources.publish_readings import publish_readings

            with stop_on_signal() as stop:
                publish_readings(
                    [Path(path) for path in cycler],
                    cell=cell,
                    follow=follow,
                    documents_in=documents_in,
                    documents_out=documents_out,
                    engine=engine_at,
                    stop=stop,
                    say=tell,
                )
            return
        with stop_on_signal() as stop, ExitStack() as stack:
            show = _shown(stack, progress_of(say, TaskProgressColumn(), TimeRemainingColumn()))
            run(
                open_volumes(volumes or [], keep_blank),
                cell=cell,
                voxel_um=voxel_um,
                endpoint=endpoint,
                cycler=[Path(path) for path in cycler or ()],
                cycler_time="scaled" if cycler_time == "scaled" else "own",
                follow=follow,
                documents_in=documents_in,
                documents_out=documents_out,
                period_s=period,
                scan_interval_s=scan_interval,
                resend=resend,
                engine=engine_at,
                stop=stop,
                progress=show,
            )


@commands.command("watch", hidden=True)
@commands.command("publish-folder")
def publish_folder(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that a reconstruction writes volumes into.")
    ],
    cell: Cell = "A",
    pattern: Annotated[
        str, typer.Option(help="Names of the volumes that are sent, e.g. 'rec_*'.")
    ] = "*",
    slices: Annotated[
        int | None,
        typer.Option(help="Slices of each volume; by default as the files say, or the first had."),
    ] = None,
    first_slice: Annotated[
        int | None,
        typer.Option(
            "--first-slice", help="Number in the name of a volume's first file, if not 0 or 1."
        ),
    ] = None,
    voxel_um: VoxelUm = None,
    duration: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a scan takes, if the files do not say it.")
    ] = 0.0,
    delay: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Seconds from the end of a scan to its first file, if the files do not hold its "
            "times.",
        ),
    ] = 0.0,
    quiet: Annotated[
        float,
        typer.Option(help="Seconds without a change after which a volume has ended, or stalled."),
    ] = 300.0,
    poll: Annotated[float, typer.Option(help="Seconds between looks into the folders.")] = 1.0,
    keep_blank: KeepBlank = False,
    state: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps what was sent; by default .pitwatch_CELL.json in the first "
            "folder."
        ),
    ] = None,
    endpoint: Endpoint = _ADDRESSES.slices,
    resend: Resend = "",
    again: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="MB of slices that are sent again: what an engine that was killed may not have "
            "recorded.",
        ),
    ] = 0.0,
    new: Annotated[
        bool,
        typer.Option(
            "--new",
            help="The engine has begun a new recording: volumes that have not ended are sent from "
            "their first slice.",
        ),
    ] = False,
    unattended: Annotated[
        bool,
        typer.Option(
            "--unattended",
            help="Wait for folders that do not exist yet, and print lines instead of a bar.",
        ),
    ] = False,
) -> None:
    """Stream the volumes that a reconstruction is writing, slice by slice.

    The engine does the same for the folders in its settings (`feeds.folders`).
    """
    with one_line_errors():
        from monitor.sources.publish_folder import publish_folder as run

        rules = settings_file.folder_rules(
            pattern=pattern,
            slices=slices,
            first_slice=first_slice,
            voxel_um=voxel_um,
            duration_s=duration,
            delay_s=delay,
            quiet_s=quiet,
            poll_s=poll,
            keep_blank=keep_blank,
        )

        def lines(text: str, _sent: int, total: int) -> None:
            if not total:
                tell(f"cell {cell}: {text}")

        with stop_on_signal() as stop, ExitStack() as stack:
            show = lines if unattended else _shown(stack, progress_of(say))
            run(
                folders,
                rules,
                cell=cell,
                endpoint=endpoint,
                resend=resend,
                state=state,
                again_bytes=again * 1e6,
                new_recording=new,
                wait=unattended,
                stop=stop,
                progress=show,
            )


@commands.command()
def simulate(
    config: Config,
    engine_at: Annotated[
        str,
        typer.Option(
            "--engine", help="The engine's `results.pull` address: begin once it is ready."
        ),
    ] = "",
) -> None:
    """Start only the simulated detector and cycler, under a bluesky RunEngine."""
    with one_line_errors():
        from simulators.run import simulate as run

        with stop_on_signal() as stop:
            run(
                settings_file.load(config),
                stop=stop,
                progress=say.print,
                engine_at=engine_at,
            )
