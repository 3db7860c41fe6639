"""The channels of a cell: their file against the settings and the journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from monitor.core.channels.history import ChannelHistory
from monitor.recording import files
from monitor.recording.read import checked_hdf5, unclosed_hdf5
from monitor.recording.read.channels import RecordedChannel, read_channel
from monitor.recording.verify.cell import FROM_JOURNAL
from monitor.recording.verify.findings import RESTORE, Findings, Mend
from monitor.recording.verify.scans import opens
from monitor.recording.verify.tree import differences, visit
from monitor.recording.write.channels_file import lay_out
from monitor.settings import ChannelSettings

Told = Mapping[str, ChannelHistory]
"""What the journal says, by channel."""


def check_channels(
    path: Path,
    channels: Mapping[str, ChannelSettings],
    told: Told | None,
    findings: Findings,
    *,
    open_ended: bool,
    growing: bool,
) -> None:
    """Columns of equal length, rising times, and the values of the journal (None: not known).

    `open_ended`: it grows, or was interrupted and can be resumed.
    """
    if files.kind(path):
        return  # told among what is left over
    count = sum(len(one.times) for one in (told or {}).values())
    mend: Mend = "channels" if count else ""
    todo = FROM_JOURNAL if count else RESTORE
    if not path.exists():
        if count and open_ended:
            _cut_short(path, count, findings)
        elif count:
            findings.error(path, "missing", f"the {count} values of the journal", todo, mend)
        return
    before = len(findings.found)
    found: list[RecordedChannel] = []
    if not opens(path):
        findings.error(path, "cannot be opened", "an HDF5 file", todo, mend)
        return
    with findings.reading(path), checked_hdf5.opened(path) as file:
        visit(file)
        odd = _oddities(file, channels, told)
        for what, expected in odd:
            findings.error(path, what, expected, todo, mend)
        if odd:
            return
        found = [read_channel(file, name) for name in channels]
        lacking = 0
        for one in found:
            known = None if told is None else told.get(one.name, ChannelHistory())
            lacking += _check_values(path, one, known, findings, open_ended=open_ended)
        if lacking and not growing:
            _cut_short(path, lacking, findings)
    if len(findings.found) == before and not growing and unclosed_hdf5.is_unclosed(path):
        what = "its writer was stopped while writing: it opens only in HDF5's SWMR mode"
        findings.warning(path, what, "a file that was closed", todo, mend)


def _oddities(
    file: h5py.File, channels: Mapping[str, ChannelSettings], told: Told | None
) -> list[tuple[str, str]]:
    """(what, expected) of everything in the file that its writer would have laid out otherwise."""
    if told is None:  # units are not known then
        units = {
            name: str(checked_hdf5.attributes(file, f"{name}/value").get("units", ""))
            for name in checked_hdf5.group(file, "")
            if name in channels and checked_hdf5.find(file, f"{name}/value") is not None
        }
    else:
        units = {name: one.unit for name, one in told.items()}
    with h5py.File.in_memory() as want:
        lay_out(want, channels, units)
        return [
            (f"{where} is {came}", expected)
            for where, came, expected in differences(file, want, equal=lambda name: False)
        ]


def _check_values(
    path: Path,
    found: RecordedChannel,
    told: ChannelHistory | None,
    findings: Findings,
    *,
    open_ended: bool,
) -> int:
    """Compares one channel with the journal; returns how many of its last values are missing."""
    name, count = found.name, len(found.times)
    findings.checked["channel values"] += count
    if not (np.diff(found.times) > 0).all() or not np.isfinite(found.times).all():
        what = f"time of {name} does not increase from row to row"
        findings.error(path, what, "a later time in each row", FROM_JOURNAL, "channels")
        return 0
    if told is None:
        return 0
    if count > len(told.times) or (count < len(told.times) and not open_ended):
        wanted = f"{len(told.times)}, as in the journal"
        findings.error(path, f"{count} values of {name}", wanted, FROM_JOURNAL, "channels")
        return 0
    for what, have, wanted_all in (
        ("times", found.times, told.times),
        ("values", found.values, told.values),
    ):
        odd = np.flatnonzero(have != np.asarray(wanted_all[:count]))
        if odd.size:
            row = int(odd[0])
            text = f"{what} of {name} in {odd.size} rows, the first in row {row}, is {have[row]}"
            wanted = f"{wanted_all[row]}, as in the journal"
            findings.error(path, text, wanted, FROM_JOURNAL, "channels")
    return len(told.times) - count


def _cut_short(path: Path, lacking: int, findings: Findings) -> None:
    """If it was interrupted, the last values are in the journal alone."""
    what = f"the last {lacking} values of the journal had not reached it when it was interrupted"
    findings.warning(path, what, "all of them", FROM_JOURNAL, "channels")
