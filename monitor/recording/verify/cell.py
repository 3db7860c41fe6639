"""What is beside a cell's scans: the cycler's readings, the master, and what is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.recording import files, format
from monitor.recording.read import checked_hdf5, unclosed_hdf5
from monitor.recording.resume.interrupted import KEPT
from monitor.recording.verify.findings import RESTORE, Findings, Mend
from monitor.recording.verify.scans import opens
from monitor.recording.verify.tree import differences, visit
from monitor.recording.write import nexus
from monitor.recording.write.cell_master import Master

AGAIN = "`--repair` writes it again from the scans"
FROM_JOURNAL = "`--repair` writes it again from the journal"
BROKEN = ".broken"
"""Put behind the name of a file of lines for the copy that is kept before it is repaired."""


def check_cycler(
    path: Path,
    told: Sequence[Any] | None,
    findings: Findings,
    *,
    open_ended: bool,
    growing: bool,
) -> None:
    """Columns of equal length, rising times, and the readings of the journal (None: not known).

    `open_ended`: it grows, or was interrupted and can be resumed.
    """
    mend: Mend = "readings" if told else ""
    todo = FROM_JOURNAL if told else RESTORE
    if files.kind(path):
        return  # told among what is left over
    if not path.exists():
        if told and open_ended:
            _cut_short(path, len(told), findings)
        elif told:
            wanted = f"the {len(told)} readings of the journal"
            findings.error(path, "missing", wanted, todo, mend)
        return
    if not opens(path):
        findings.error(path, "cannot be opened", "an HDF5 file", todo, mend)
        return
    before = len(findings.found)
    with findings.reading(path), checked_hdf5.opened(path) as file:
        visit(file)
        with _empty_cycler() as want:
            odd = list(differences(file, want, equal=lambda name: False))
        for where, came, expected in odd:
            findings.error(path, f"{where} is {came}", expected, todo, mend)
        if odd:
            return
        columns = {
            n: checked_hdf5.array(file, n, (None,), "float64") for n in format.CYCLER_COLUMNS
        }
        found = {n: c for n, c in columns.items() if c is not None}
        lacking = 0
        if open_ended:  # whole rows count, and more may follow
            rows = min(map(len, found.values()), default=0)
            found = {name: column[:rows] for name, column in found.items()}
            lacking = len(told) - rows if told is not None else 0
            told = None if told is None else told[:rows]
        _columns(path, found, told, findings, todo, mend)
        if lacking > 0 and not growing:
            _cut_short(path, lacking, findings)
    if len(findings.found) == before and not growing and unclosed_hdf5.is_unclosed(path):
        what = "its writer was stopped while writing: it opens only in HDF5's SWMR mode"
        findings.warning(path, what, "a file that was closed", todo, mend)


def _empty_cycler() -> h5py.File:
    want = h5py.File.in_memory()
    want.attrs["NX_class"] = "NXroot"
    for name, units in format.CYCLER_COLUMNS.items():
        want.create_dataset(name, (0,), np.float64, maxshape=(None,), chunks=(1024,))
        want[name].attrs["units"] = units
    return want


def _cut_short(path: Path, lacking: int, findings: Findings) -> None:
    """If it was interrupted, the last readings are in the journal alone."""
    what = f"the last {lacking} readings of the journal had not reached it when it was interrupted"
    findings.warning(path, what, "all of them", FROM_JOURNAL, "readings")


def _columns(
    path: Path,
    columns: Mapping[str, NDArray[np.float64]],
    told: Sequence[Any] | None,
    findings: Findings,
    todo: str,
    mend: Mend,
) -> None:
    lengths = {len(column) for column in columns.values()}
    if len(columns) < len(format.CYCLER_COLUMNS) or len(lengths) != 1:
        what = f"columns have {sorted(lengths)} rows"
        findings.error(path, what, "the same number of rows in each", todo, mend)
        return
    time = columns["time"]
    findings.checked["readings"] += len(time)
    if not (np.diff(time) > 0).all() or not np.isfinite(time).all():
        what = "time does not increase from row to row"
        findings.error(path, what, "a later time in each row", todo, mend)
    if told is None:
        return
    if len(time) != len(told):
        what = f"{len(time)} readings"
        findings.error(path, what, f"{len(told)}, as in the journal", todo, mend)
        return
    for name, column in columns.items():
        wanted = np.array([getattr(reading, name) for reading in told], np.float64)
        odd = np.flatnonzero(~((column == wanted) | (np.isnan(column) & np.isnan(wanted))))
        if odd.size:
            what = f"{name} of {odd.size} readings, the first in row {odd[0]}, is {column[odd[0]]}"
            findings.error(path, what, f"{wanted[odd[0]]}, as in the journal", todo, mend)


def check_master(folder: Path, scans: list[Path], findings: Findings) -> None:
    """The master against one that is made again from the scans, which are sound."""
    path = folder / format.master_name(folder.name)
    if files.kind(path):
        return  # told among what is left over
    if not path.exists():
        if scans:
            findings.warning(path, "missing", f"one of {len(scans)} scans", AGAIN, "master")
        return
    found: list[Any] = []
    try:
        with h5py.File.in_memory() as want, checked_hdf5.opened(path) as file:
            visit(file)
            described = "auxiliary_signals" in checked_hdf5.attributes(file, nexus.PLOT)
            Master(folder).fill(want, scans, described=described)
            found = list(differences(file, want, equal=lambda name: True))
    except (RecordingError, *checked_hdf5.UNREADABLE) as error:
        what = checked_hdf5.one_line(error).removeprefix(f"{path}: ")
        findings.error(path, what, "the scans' maps stacked", AGAIN, "master")
    for where, came, expected in found[:1]:
        what = f"{where} is {came}"
        findings.error(path, f"differs from the scans: {what}", expected, AGAIN, "master")


def check_left_over(folder: Path, findings: Findings, *, growing: bool, stale: bool) -> None:
    """Files that a recording which ended well does not have, with what they mean."""
    for path in sorted(folder.iterdir()):
        if (what := files.kind(path)) not in ("", "a folder"):
            findings.error(path, f"is {what}", "a file of its own", "remove it: it is not opened")
        elif path.name.endswith(BROKEN):
            findings.note(
                path, "a copy from before `--repair`", "delete it when you no longer need it"
            )
        elif path.name.startswith(format.ERRORS_FILE):
            what = "internal errors that occurred during the recording"
            findings.note(path, what, "please report them: the file contains each in full")
        elif path.name.endswith(format.PART + KEPT):
            what = "a scan that the disk did not fully accept when the recording was resumed"
            findings.warning(path, what, "none", "keep it: it has slices that no other file has")
        elif growing:
            continue
        elif path.name.endswith(format.PART + format.OLD):
            what = (
                "a scan set aside by an engine that was interrupted while it resumed the recording"
            )
            todo = "start the engine with the same settings: it resumes" if stale else "keep it"
            findings.warning(path, what, "none", todo)
        elif path.name.endswith(format.PART) and not path.name.startswith("scan_"):
            what = "a part of a file that was being replaced when its writer was stopped"
            findings.warning(
                path, what, "none", "delete it: the file itself is complete, or reported as missing"
            )
