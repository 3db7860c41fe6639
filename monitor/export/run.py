"""`export`: a recording, or some scans of it, in the format of another program."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from monitor.errors import MissingSoftware, RecordingError, SettingError
from monitor.export import bdf, ome_zarr, tables, tiff, vtk
from monitor.export.recorded import Exporter, Output, choose
from monitor.recording import files
from monitor.recording.read.experiment import open_experiment

NO_SPACE = (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""numpy gives none."""
Progress = Callable[[str, int, int], None]
"""Text, files that are written, and how many there will be; 0 for a line of its own."""

EXPORTERS: Mapping[str, Exporter] = {
    "tiff": tiff,
    "vtk": vtk,
    "zarr": ome_zarr,
    "csv": tables,
    "bdf": bdf,
}


def run_export(
    path: Path,
    to: str,
    *,
    progress: Progress,
    out: Path | None = None,
    cells: Sequence[str] = (),
    scans: str = "",
    overwrite: bool = False,
) -> Path:
    """Writes into `out` (by default `export/` in the recording) and returns that folder.

    Each file is put in place as a whole. A scan or map that is damaged costs itself alone, and is
    reported. Raises SettingError, RecordingError (also if anything was left out or the disk
    refuses) and MissingSoftware.
    """
    exporter = EXPORTERS.get(to)
    if exporter is None:
        raise SettingError("--to", got=to, expected=", ".join(EXPORTERS), todo="name one of them")
    software = exporter.SOFTWARE
    if software is not None and find_spec(software.module) is None:
        raise MissingSoftware(
            f"{software.files} writes with {software.module}, which is not installed: run "
            f"\"pip install 'pitwatch[{software.extra}]'\""
        )
    experiment = open_experiment(path)
    chosen, problems = choose(experiment, cells, scans)
    folder = out if out is not None else experiment.path / "export"
    # what is in the recording may be a link; a folder that was asked for may be one
    within = experiment.path if folder.is_relative_to(experiment.path) else folder
    wanted = exporter.outputs(chosen)
    _check_free(folder, wanted, overwrite=overwrite)
    _check_folders(folder, within, wanted)
    if not wanted and not problems:
        raise RecordingError(f"{path}: contains nothing that can be exported to {to}")
    for done, output in enumerate(wanted):
        progress(str(output.path), done, len(wanted))
        try:
            _put(folder / output.path, output)
        except RecordingError as error:
            problems.append(str(error))
        except OSError as error:
            space = "free some space, or " if error.errno in NO_SPACE else ""
            raise RecordingError(
                f"{folder / output.path}: cannot be written ({error.strerror or error}); {space}"
                "name another folder with --out"
            ) from None
    if wanted:
        progress("", len(wanted), len(wanted))
    for problem in problems:
        progress(problem, 0, 0)
    if problems:
        raise RecordingError(
            f"{folder}: lacks what is damaged in the recording ({len(problems)} lines above); "
            "`pitwatch verify` says more"
        )
    return folder


def _check_free(folder: Path, wanted: Sequence[Output], *, overwrite: bool) -> None:
    taken = [one.path for one in wanted if os.path.lexists(folder / one.path)]
    if taken and not overwrite:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise SettingError(
            "--out",
            got=str(folder),
            expected=f"a folder without {taken[0]}{more}",
            todo="choose another folder, or replace them with --overwrite",
        )


def _check_folders(folder: Path, within: Path, wanted: Sequence[Output]) -> None:
    """Raises RecordingError for a link, and for anything else that is not a folder."""
    try:
        for parent in dict.fromkeys((folder / one.path).parent for one in wanted):
            files.is_folder(parent, within)
    except NotADirectoryError:
        raise RecordingError(f"{folder}: is not a folder; name another with --out") from None


def _put(path: Path, output: Output) -> None:
    """Writes a file or folder beside its place first. Raises RecordingError, OSError."""
    part = path.with_name(f".{uuid.uuid4().hex}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        output.write(part)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
