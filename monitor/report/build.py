"""`report`: table and figures of a recorded experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from monitor.cli.output import Messages
from monitor.errors import RecordingError, SettingError
from monitor.recording.files import write
from monitor.recording.read.experiment import Experiment, open_experiment
from monitor.report import figures
from monitor.report.boundaries import Laid, grain_boundaries, lay
from monitor.report.table import Numbers, as_text, numbers
from monitor.report.views import NoFigure, Shown, all_scans, as_png
from monitor.settings import load
from monitor.wire.fields import plain

OF_A_CELL: dict[str, Callable[[list[Shown]], Figure]] = {
    "cross_sections": figures.cross_sections,
    "height_maps": figures.height_maps,
    "current_density": figures.current_maps,
    "two_discharges": figures.two_discharges,
}


def report(
    experiment_path: Path,
    *,
    out: Path | None = None,
    as_json: bool = False,
    console: Messages | None = None,
    pictures: Path | None = None,
) -> Numbers:
    """The numbers of `report --json`. Figures go to `out` (by default `report/` in the recording).

    Without `as_json` the table is printed, and where each figure is or why it is not; with it
    nothing is printed, and figures are made only where `out` is given. `pictures`: settings whose
    cells say where pictures of grain boundaries are, instead of those recorded. Raises
    RecordingError; SettingError for `pictures`.
    """
    experiment = open_experiment(Path(experiment_path))
    found = numbers(experiment)
    laid = _lay(experiment, pictures)
    for name, one in laid.items():
        if isinstance(one, Laid):
            found["cells"][name]["boundaries"] = plain(one.numbers)
    say = console or Messages(quiet=as_json)
    for name, cell in found["cells"].items():
        if cell["table"]:
            say.print(as_text(name, cell))
        else:
            scans = len(cell["scans"])
            say.print(f"Cell {name}: {scans} scans, none of them in a discharge: no table")
        if isinstance(picture := laid.get(name), Laid):
            say.print(f"Cell {name}: {picture.words}", soft_wrap=True)
    if out is not None or not as_json:
        for name, done in draw(experiment, out or experiment.path / "report", laid).items():
            say.print(f"{name}: {done}", soft_wrap=True)
    return found


def _lay(experiment: Experiment, pictures: Path | None) -> dict[str, Laid | str]:
    """By cell, its picture of grain boundaries on its map, or why there is none."""
    chosen = experiment.settings if pictures is None else load(pictures)
    laid: dict[str, Laid | str] = {}
    for name, cell in experiment.cells.items():
        recorded, asked = experiment.settings.cell(name), chosen.cell(name)
        if recorded is None or asked is None or asked.boundaries is None:
            continue
        try:
            laid[name] = lay(all_scans(cell, recorded), asked.boundaries)
        except NoFigure as reason:
            laid[name] = str(reason)
        except SettingError as error:
            if pictures is not None:
                raise
            laid[name] = str(error)
    if pictures is not None and not laid:
        raise SettingError(
            "cells.boundaries",
            got=f"none for {', '.join(experiment.cells)} in {pictures}",
            expected="a picture of a cell of the recording",
            todo="name the cell as in the recording, with image and landmarks",
        )
    return laid


def draw(
    experiment: Experiment, out: Path, laid: Mapping[str, Laid | str] | None = None
) -> dict[str, str]:
    """Writes all figures as PNG; for each its path, or why there is none. Raises RecordingError."""
    # what is in the recording may be a link; a folder that was asked for may be one
    within = experiment.path if out.is_relative_to(experiment.path) else out
    told: dict[str, str] = {}
    cells: dict[str, list[Shown]] = {}
    for name, cell in experiment.cells.items():
        settings = experiment.settings.cell(name)
        if settings is None:
            continue
        scans = cells[name] = all_scans(cell, settings)
        for what, make in OF_A_CELL.items():
            told[f"{name} {what}"] = _save(out / f"{name}_{what}.png", within, make, scans)
        if picture := (laid or {}).get(name):
            path = out / f"{name}_grain_boundaries.png"
            told[f"{name} grain_boundaries"] = _save(path, within, grain_boundaries, picture)
    told["relief"] = _save(out / "relief.png", within, figures.relief, cells)
    return told


def _save(path: Path, within: Path, make: Callable[[Any], Figure], of: Any) -> str:
    try:
        write(path, within, as_png(make(of)))
    except NoFigure as reason:
        return f"not drawn: {reason}"
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written ({error.strerror or error})") from None
    return str(path)
