"""The command line of pitwatch. `python launch.py` alone is the demo."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor import settings as settings_file
from monitor.cli.output import Messages, labelled, make_readable, progress_of
from monitor.cli.usage_errors import Commands, UsageError, setting_error, version
from monitor.errors import MissingSoftware, PitwatchError, SettingError
from monitor.plain_text import visible
from monitor.processes import has_display, stop_on_signal
from monitor.settings import Settings

if TYPE_CHECKING:
    from monitor.sockets.keys import ClientKeys

PROGRAM = Path(__file__).resolve()
SIMULATED = PROGRAM.parent / "config" / "simulated.toml"
HEADLESS_SPEED = 20000.0
INTERRUPTED = 130

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    help="Real-time operando monitor for lithium-metal electrodes.",
    pretty_exceptions_enable=False,
)
say = Messages(stderr=True)

Config = Annotated[Path, typer.Option("--config", help="Settings, a TOML file.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for what is written.")]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Whatever is understood ends in one line: exit code 2 for a wrong setting, else 1."""
    try:
        yield
    except SettingError as error:
        _say_wrong(error)
        raise typer.Exit(2) from None
    except PitwatchError as error:
        say.print(labelled("error", "red", error), soft_wrap=True)
        raise typer.Exit(1) from None


def _say_wrong(error: SettingError) -> None:
    say.print(labelled("setting", "red", error), soft_wrap=True)


def run() -> int:
    """The command line as it was given; returns the exit code."""
    make_readable()
    try:
        code = int(app(standalone_mode=False) or 0)
    except UsageError as error:
        _say_wrong(setting_error(error))
        return 2
    except typer.Abort:
        return 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # all is closed that could be; a socket that is not would have the interpreter wait for ever
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
        demo()


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="Run through without a screen.")] = False,
    scenario: Annotated[
        str, typer.Option(help="paper-0.55, paper-0.23, first-charge, second-cycle or two-cells.")
    ] = "paper-0.55",
    scans: Annotated[int | None, typer.Option(min=1, help="Stop after this many scans.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of cell time in a second.")
    ] = None,
    out: Out = None,
) -> None:
    """Simulated beamline, engine and screen; without a display it runs through and reports."""
    with one_line_errors():
        from monitor.cli.demo import on_free_addresses, run_demo
        from simulators.scenarios import settings_for

        if not headless and not has_display():
            say.print("no display here: running through without a screen")
            headless = True
        base = settings_for(scenario, settings_file.load(SIMULATED))
        table = settings_file.as_table(base)
        table["simulator"] |= {"scenario": scenario}
        if scans is not None:
            table["simulator"]["scans"] = scans
        if speed is not None or headless:
            table["simulator"]["speed"] = speed or HEADLESS_SPEED
        if out is not None:
            table["experiment"]["data_dir"] = str(out)
        settings = on_free_addresses(settings_file.parse(table))
        recording = run_demo(settings, PROGRAM, None if headless else _screen)
        if headless:
            _report(recording, as_json=False, out=None)
        else:
            say.print(f"recorded in {recording}", soft_wrap=True)


@app.command()
def monitor(config: Config) -> None:
    """Engine and screen on real feeds."""
    with one_line_errors():
        from monitor.cli.demo import run_monitor
        from monitor.sockets.keys import engine_s_own, reachable

        settings = settings_file.load(config)
        keys = engine_s_own(settings.security)

        def screen(pull: str, status: str) -> int:
            return _screen(reachable(pull), reachable(status), keys=keys)

        run_monitor(settings, config, PROGRAM, screen)


@app.command()
def engine(
    config: Config,
    out: Out = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin anew even where the last recording broke off.")
    ] = False,
) -> None:
    """The engine alone: it computes, records, and serves any number of screens.

    Until Ctrl-C or SIGTERM ends it. If the last recording of this experiment ended in another way,
    as by a crash, it resumes that one.
    """
    with one_line_errors():
        from monitor.engine.start import run_engine

        def tell(text: str) -> None:
            say.print(text, soft_wrap=True)

        run_engine(settings_file.load(config), out, new=new, say=tell)


@app.command()
def gui(
    connect: Annotated[
        str, typer.Option(help="The engine's `results.pull` address.")
    ] = Settings().results.pull,
    status: Annotated[
        str | None, typer.Option(help="Its `results.status` address: news come at once then.")
    ] = None,
    cell: Annotated[str | None, typer.Option(help="The cell to show first.")] = None,
    view_only: Annotated[
        bool, typer.Option("--view-only", help="A screen that may look, not ask.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="File of this screen's secret key (`keys`).")
    ] = None,
    server_key: Annotated[
        str | None, typer.Option(help="The engine's public key: its text, or its file.")
    ] = None,
) -> None:
    """A screen alone, for an engine that runs; on another machine with keys (docs/security.md)."""
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
        _exit(_screen(connect, status, cell, viewer=view_only, keys=keys))


@app.command()
def keys(
    folder: Annotated[Path, typer.Argument(help="Where to put them; made where it is not there.")],
    name: Annotated[
        str, typer.Option(help="What the two files are called: who is to own them.")
    ] = "pitwatch",
) -> None:
    """Make a pair of CURVE keys, for an engine or for a screen (docs/security.md)."""
    with one_line_errors():
        from monitor.sockets.keys import make_keys

        public, secret = make_keys(folder, name)
        say.print(
            f"{secret} stays with its owner: an engine's security.secret_key, a screen's --key; "
            f"{public} goes to the others: into an engine's security.operators or viewers, or to a "
            "screen as --server-key",
            soft_wrap=True,
        )


@app.command()
def simulate(config: Config) -> None:
    """Only the simulated detector and cycler, under a bluesky RunEngine."""
    with one_line_errors():
        from simulators.run import simulate as run

        with stop_on_signal() as stop:
            run(settings_file.load(config), stop=stop, progress=lambda text: say.print(text))


@app.command()
def publish(
    volumes: Annotated[list[Path], typer.Argument(help="HDF5, nabu, TIFF file or stack.")],
    cell: Annotated[str, typer.Option(help="Name of the cell.")] = "A",
    voxel_um: Annotated[
        float | None, typer.Option("--voxel-um", help="Voxel size; else as the file says.")
    ] = None,
    endpoint: Annotated[
        str, typer.Option(help="Address to publish slices at.")
    ] = Settings().simulator.slices,
    cycler: Annotated[
        list[str] | None,
        typer.Option(help="EC-Lab .mpt or .mpr file, or a quoted pattern; may be repeated."),
    ] = None,
    cycler_time: Annotated[
        str, typer.Option(help="own: times of the file; scaled: spread over the scans.")
    ] = "own",
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Follow the growing cycler file until interrupted."),
    ] = False,
    documents_in: Annotated[
        str, typer.Option(help="In side of the bluesky Proxy that is started for the cycler.")
    ] = Settings().simulator.documents_in,
    documents_out: Annotated[
        str, typer.Option(help="Its out side, which the monitor connects to.")
    ] = Settings().simulator.documents_out,
    period: Annotated[float, typer.Option(help="Seconds between scans; 0: no pause.")] = 0.0,
    scan_interval: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of the data's time between scans.")
    ] = None,
    keep_blank: Annotated[
        bool,
        typer.Option(
            "--keep-blank",
            help="Slices of one value are padding: send them too, do not take them as missing.",
        ),
    ] = False,
    resend: Annotated[
        str, typer.Option(help="Address where lost slices can be asked for again; none by default.")
    ] = "",
    engine_at: Annotated[
        str,
        typer.Option(
            "--engine",
            help="The engine's `results.pull` address: slices wait until it has the readings.",
        ),
    ] = "",
) -> None:
    """Stream real volumes and an EC-Lab file as live feeds."""
    with one_line_errors():
        from rich.progress import TaskProgressColumn, TimeRemainingColumn

        from monitor.sources.publish import publish as run
        from monitor.sources.volumes.volume import open_volumes

        if cycler_time not in ("own", "scaled"):
            raise SettingError(
                "--cycler-time", got=cycler_time, expected="own or scaled", todo="correct it"
            )
        with stop_on_signal() as stop, ExitStack() as stack:
            progress = progress_of(say, TaskProgressColumn(), TimeRemainingColumn())
            bar = progress.add_task("", total=None)

            def tell(text: str, sent: int, total: int) -> None:
                if not progress.live.is_started:  # what is wrong before that is one line alone
                    stack.enter_context(progress)
                if total:
                    progress.update(bar, description=visible(text), completed=sent, total=total)
                else:
                    say.print(text, soft_wrap=True)

            run(
                open_volumes(volumes, keep_blank),
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
                progress=tell,
            )


@app.command()
def replay(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of cell time in a second.")
    ] = None,
    first: Annotated[int | None, typer.Option("--from", min=0, help="First scan.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last scan.")] = None,
    screen: Annotated[bool, typer.Option("--screen/--headless", help="With a screen.")] = True,
    out: Out = None,
) -> None:
    """Recorded messages through the same code path as live ones."""
    with one_line_errors():
        from monitor.playback.replay import run_replay

        if screen and not has_display():
            say.print("no display here: replaying without a screen")
            screen = False
        run_replay(
            experiment,
            speed=speed,
            first=first,
            last=last,
            out=out,
            screen=_screen if screen else None,
            say=lambda text: say.print(text, soft_wrap=True),
        )


@app.command("open")
def open_recording(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    headless: Annotated[
        bool, typer.Option("--headless", help="Serve it, without a screen.")
    ] = False,
    pull: Annotated[
        str | None,
        typer.Option(help="Address to answer screens at; else as recorded, or a free one."),
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Address to publish status at; else likewise.")
    ] = None,
) -> None:
    """A recorded experiment on the screen at once, as it is in the files; nothing is computed."""
    with one_line_errors():
        from monitor.playback.opened import run_open

        if not headless and not has_display():
            say.print("no display here: serving without a screen")
            headless = True
        run_open(
            experiment,
            pull=pull,
            status=status,
            screen=None if headless else _screen,
            say=lambda text: say.print(text, soft_wrap=True),
        )


@app.command()
def reprocess(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="As in the settings: 'cells.A.foil_thickness_um=125' (key=value)."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler (tls://…); without it, one is made here."),
    ] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Of the scheduler: certificate of its authority (PEM).")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Our certificate for the scheduler (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The key of our certificate (PEM).")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="The scheduler has no TLS, on a network that is ours.")
    ] = False,
    out: Out = None,
) -> None:
    """Measure a recorded experiment again with other settings, scans side by side on Dask."""
    with one_line_errors():
        from monitor.reprocess.cluster import RemoteScheduler
        from monitor.reprocess.measure import run_reprocess

        where = scheduler and RemoteScheduler(scheduler, tls_ca, tls_cert, tls_key, plain=plain)
        made = run_reprocess(
            experiment,
            changes=changes or [],
            scheduler=where or None,
            out=out,
            say=lambda text: say.print(text, soft_wrap=True),
        )
        say.print(f"recorded in {made}", soft_wrap=True)


@app.command()
def report(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Out = None,
    boundaries: Annotated[
        Path | None,
        typer.Option(help="TOML file with \\[cells.boundaries]: pictures of grain boundaries."),
    ] = None,
) -> None:
    """The table and the figures of the paper for a recorded experiment."""
    with one_line_errors():
        _report(experiment, as_json=as_json, out=out, pictures=boundaries)


@app.command()
def verify(
    experiment: Annotated[Path, typer.Argument(help="Folder of a recorded experiment.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended without inventing data.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a recording: every file, every checksum, and the files against each other."""
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
        _exit(1 if findings.count("error") else 0)


@app.command()
def backtest(
    experiments: Annotated[list[Path], typer.Argument(help="Folders of recorded experiments.")],
    policy: Annotated[
        list[Path] | None,
        typer.Option("--policy", help="TOML file with \\[onset]; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Out = None,
) -> None:
    """What other policies would have asked for, and whether the live decisions come out again."""
    with one_line_errors():
        from monitor.report.policies import backtest as run

        result = run(experiments, policy or [], out=out, as_json=as_json)
        if as_json:
            print(json.dumps(result))


@app.command()
def doctor() -> None:
    """Check what this machine has, and say what to install."""
    from monitor.cli.doctor import examine

    _exit(examine(Messages()))


def _screen(
    pull: str,
    status: str | None = None,
    cell: str | None = None,
    *,
    viewer: bool = False,
    keys: ClientKeys | None = None,
) -> int:
    from monitor.gui.app import run

    return run(pull, status, cell=cell, viewer=viewer, keys=keys)


def _report(
    experiment: Path, *, as_json: bool, out: Path | None, pictures: Path | None = None
) -> None:
    from monitor.report.build import report as build

    result = build(experiment, out=out, as_json=as_json, pictures=pictures)
    if as_json:
        print(json.dumps(result))


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    # several threads in one process and two cores: BLAS must not add its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(run())
