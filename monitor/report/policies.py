"""`backtest`: policies on recorded experiments, as a table, as numbers and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from matplotlib.figure import Figure
from rich.table import Table

from monitor.cli.output import Messages
from monitor.errors import RecordingError
from monitor.quantities.table import PIT_COLUMNS
from monitor.recording.files import is_folder, write
from monitor.recording.journal import DAMAGED
from monitor.recording.read.experiment import open_experiment
from monitor.report.backtest import LIVE, Outcome, first_known_later, live, what_if
from monitor.report.views import as_png, figure_text
from monitor.settings import OnsetSettings, load

COLOURS = ("#5b2a86", "#e07a1f", "#2a7f62", "#b3374d", "#2f6db5")
Cells = dict[str, list[Outcome]]


class Fired(TypedDict):
    """A scan after which a policy asked for another."""

    scan: int
    time: float
    verdict: str
    why: str


class PolicyNumbers(TypedDict):
    """One policy on one cell, JSON-ready. `reproduced`: how many of the recorded decisions it made
    again; `scans_after_first_pit` may be negative."""

    policy: str
    reproduced: dict[str, int] | None
    scans: int
    fired: list[Fired]
    extra_scans: int
    dose_kGy: float
    first_pit_known_later: int | None
    scans_after_first_pit: int | None


def backtest(
    experiments: Sequence[Path],
    policies: Sequence[Path],
    *,
    out: Path | None = None,
    as_json: bool = False,
    console: Messages | None = None,
) -> dict[str, list[PolicyNumbers]]:
    """The numbers of `backtest --json`: for each experiment and cell, the live policy and others.

    `policies`: TOML files with a section `[onset]`. A figure goes to `out`, if it is given.
    Raises RecordingError and SettingError.
    """
    others = [(path.stem, load(path).onset) for path in policies]
    cells: Cells = {}
    for path in experiments:
        cells |= _outcomes(path, others)
    say = console or Messages(quiet=as_json)
    for name, outcomes in cells.items():
        say.print(_table(name, outcomes))
        for outcome in outcomes:
            for judged in outcome.fired:
                scan = judged.situation.scan
                say.print(f"  {outcome.policy}, scan {scan}: {judged.decision.why}")
    if out is not None:
        say.print(f"figure: {_save(out, cells)}", soft_wrap=True)
    return {name: [_numbers(outcome) for outcome in outcomes] for name, outcomes in cells.items()}


def _outcomes(path: Path, others: Sequence[tuple[str, OnsetSettings]]) -> Cells:
    experiment = open_experiment(path)
    found: Cells = {}
    for cell in experiment.cells.values():
        if not is_folder(cell.path, experiment.path):
            continue
        try:
            asked = [what_if(experiment, cell, policy, name) for name, policy in others]
            found[f"{experiment.name}/{cell.name}"] = [live(experiment, cell), *asked]
        except DAMAGED as error:
            raise RecordingError(
                f"{cell.path}: the recording cannot be evaluated; an event or a scan is damaged "
                f"({type(error).__name__}: {error})"
            ) from None
    return found


def _numbers(outcome: Outcome) -> PolicyNumbers:
    same = outcome.reproduced
    known = first_known_later(outcome)
    fired = outcome.fired
    first = fired[0].situation.scan if fired else None
    return {
        "policy": outcome.policy,
        "reproduced": None if same is None else {"same": same[0], "of": same[1]},
        "scans": len(outcome.scans),
        "fired": [
            {
                "scan": judged.situation.scan,
                "time": judged.situation.time,
                "verdict": judged.decision.verdict,
                "why": judged.decision.why,
            }
            for judged in fired
        ],
        "extra_scans": outcome.extra_scans,
        "dose_kGy": outcome.dose_kGy,
        "first_pit_known_later": known,
        "scans_after_first_pit": first - known if first is not None and known is not None else None,
    }


def _table(name: str, outcomes: Sequence[Outcome]) -> Table:
    table = Table(title=name, title_justify="left")
    titles = ("policy", "requested after scan", "first pit", "extra scans", "dose / kGy")
    for title in titles:
        table.add_column(title)
    for outcome in outcomes:
        numbers = _numbers(outcome)
        policy, same = outcome.policy, outcome.reproduced
        if same is not None:
            policy += f"\n{same[0]} of {same[1]} decisions\nidentical"
        fired = ", ".join(str(row["scan"]) for row in numbers["fired"]) or "never"
        known = numbers["first_pit_known_later"]
        table.add_row(
            policy,
            fired,
            "–" if known is None else str(known),
            str(outcome.extra_scans),
            f"{outcome.dose_kGy:.3g}" if outcome.dose_kGy else "–",
        )
    return table


def _save(out: Path, cells: Cells) -> Path:
    path = out / "backtest.png"
    try:
        write(path, out, as_png(draw(cells)))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def draw(cells: Cells) -> Figure:
    """A panel a cell: the deepest pit over time, and when each policy asks for a scan."""
    figure = Figure((8.0, 0.6 + 2.2 * max(1, len(cells))), dpi=150, layout="constrained")
    panels = figure.subplots(max(1, len(cells)), 1, squeeze=False)[:, 0]
    for axes, (name, outcomes) in zip(panels, cells.items(), strict=False):
        scans = outcomes[0].scans
        begin = scans[0].situation.time if scans else 0.0
        hours = [(s.situation.time - begin) / 3600.0 for s in scans]
        deepest = [s.situation.deepest for s in scans]
        depths = [pit.depth_max if pit else 0.0 for pit in deepest]
        unit = scans[0].situation.length_unit if scans else "µm"
        axes.plot(hours, depths, ".-", color="#444444", lw=1, label="deepest pit")
        top = max(depths, default=1.0) or 1.0
        for k, outcome in enumerate(outcomes):
            label = outcome.policy if outcome.policy != LIVE else "live policy"
            at = [(judged.situation.time - begin) / 3600.0 for judged in outcome.fired]
            level = top * (1.12 + 0.12 * k)
            colour = COLOURS[k % len(COLOURS)]
            axes.plot(
                at,
                [level] * len(at),
                "v",
                color=colour,
                label=figure_text(f"{label}: {len(at)} asked"),
            )
        axes.set_title(figure_text(name), fontsize=9, loc="left")
        axes.set_ylabel(f"{PIT_COLUMNS['depth_max'].title} / {figure_text(unit)}")
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    panels[-1].set_xlabel("time since the first scan / h")
    return figure
