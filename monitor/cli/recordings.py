"""Commands on recordings: replay, open, reprocess, report, export, verify, backtest."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import progress_of
from monitor.cli.shared import (
    Out,
    leave,
    one_line_errors,
    open_screen,
    print_report,
    say,
    tell,
)
from monitor.plain_text import visible
from monitor.processes import has_display

commands = typer.Typer()


@commands.command()
def replay(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of cell time per second.")
    ] = None,
    first: Annotated[int | None, typer.Option("--from", min=0, help="First scan.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last scan.")] = None,
    screen: Annotated[
        bool, typer.Option("--screen/--headless", help="Whether to open a screen.")
    ] = True,
    out: Out = None,
) -> None:
    """Process a recorded experiment again as if it were live."""
    with one_line_errors():
        from monitor.playback.replay import run_replay

        if screen and not has_display():
            say.print("no display: replaying without a screen")
            screen = False
        run_replay(
            experiment,
            speed=speed,
            first=first,
            last=last,
            out=out,
            screen=open_screen if screen else None,
            say=tell,
        )


@commands.command("open")
def open_recording(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    headless: Annotated[
        bool, typer.Option("--headless", help="Serve the recording without opening a screen.")
    ] = False,
    pull: Annotated[
        str | None,
        typer.Option(help="Address for screens; by default as recorded, or a free one."),
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Address for status messages; by default likewise.")
    ] = None,
) -> None:
    """Show a recorded experiment on the screen at once; nothing is computed."""
    with one_line_errors():
        from monitor.playback.opened import run_open

        if not headless and not has_display():
            say.print("no display: serving without a screen")
            headless = True
        run_open(
            experiment,
            pull=pull,
            status=status,
            screen=None if headless else open_screen,
            say=tell,
        )


@commands.command()
def reprocess(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A changed setting, as in 'cells.A.foil_thickness_um=125'."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler (tls://…); without it, one is started here."
        ),
    ] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Certificate of the scheduler's authority (PEM).")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Client certificate for the scheduler (PEM).")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Key of the client certificate (PEM).")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Use no TLS, on a network that can be trusted.")
    ] = False,
    out: Out = None,
) -> None:
    """Measure a recorded experiment again with other settings, several scans at a time (Dask)."""
    with one_line_errors():
        from monitor.reprocess.cluster import RemoteScheduler
        from monitor.reprocess.measure import run_reprocess

        where = scheduler and RemoteScheduler(scheduler, tls_ca, tls_cert, tls_key, plain=plain)
        made = run_reprocess(
            experiment,
            changes=changes or [],
            scheduler=where or None,
            out=out,
            say=tell,
        )
        tell(f"recorded in {made}")


@commands.command()
def report(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Out = None,
    boundaries: Annotated[
        Path | None,
        typer.Option(help="TOML file with \\[cells.boundaries]: pictures of grain boundaries."),
    ] = None,
) -> None:
    """Make the table and the figures of the paper from a recorded experiment."""
    with one_line_errors():
        print_report(experiment, as_json=as_json, out=out, pictures=boundaries)


@commands.command()
def export(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    to: Annotated[
        str,
        typer.Option(
            help="tiff (maps, for ImageJ and Fiji), vtk (surfaces, for ParaView), zarr (maps as "
            "OME-Zarr, for napari), csv (numbers of scans, pits, channels) or bdf (readings "
            "of the cycler as Battery Data Format)."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default export/ in the recording.")
    ] = None,
    cell: Annotated[list[str] | None, typer.Option(help="Only this cell; can be repeated.")] = None,
    scans: Annotated[str, typer.Option(help="Only these scans, as in 0-5,8.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Write a recorded experiment in the format of another program."""
    with one_line_errors(), ExitStack() as stack:
        from rich.progress import TaskProgressColumn, TimeRemainingColumn

        from monitor.export.run import run_export

        progress = progress_of(say, TaskProgressColumn(), TimeRemainingColumn())
        bar = progress.add_task("", total=None)

        def show(text: str, done: int, total: int) -> None:
            if not total:
                tell(text)
                return
            if not progress.live.is_started:  # what is wrong before that is one line alone
                stack.enter_context(progress)
            progress.update(bar, description=visible(text), completed=done, total=total)

        made = run_export(
            experiment,
            to,
            out=out,
            cells=cell or (),
            scans=scans,
            overwrite=overwrite,
            progress=show,
        )
        stack.close()
        tell(f"written to {made}")


@commands.command()
def verify(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired without inventing data.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a recording: all files, all checksums, and whether the files agree with each other."""
    with one_line_errors():
        from monitor.recording.verify.experiment import as_lines, as_table
        from monitor.recording.verify.experiment import verify as check
        from monitor.recording.verify.repair import repair as mend

        findings, repaired = check(experiment), []
        if repair and (repaired := mend(experiment, findings)):
            findings = check(experiment)
        if as_json:
            print(json.dumps(as_table(findings, repaired)))
        else:
            lines = [*(f"repaired: {line}" for line in repaired), *as_lines(findings)]
            print("\n".join(visible(line) for line in lines))
        leave(1 if findings.count("error") else 0)


@commands.command()
def backtest(
    experiments: Annotated[list[Path], typer.Argument(help="Folders of recorded experiments.")],
    policy: Annotated[
        list[Path] | None,
        typer.Option("--policy", help="TOML file with \\[onset]; can be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Out = None,
) -> None:
    """Evaluate the scan requests of a recording again, with its own and other policies."""
    with one_line_errors():
        from monitor.report.policies import backtest as run

        result = run(experiments, policy or [], out=out, as_json=as_json)
        if as_json:
            print(json.dumps(result))
