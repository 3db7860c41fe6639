"""A recording whose writer was killed: found, and made ready to be resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py

from monitor.recording import files, format
from monitor.recording.folder_lock import (
    LOCK_FILE,
    FolderLock,
    held,
    is_growing,
    is_interrupted,
    unknown_owner,
)
from monitor.recording.read import pictures, unclosed_hdf5
from monitor.recording.read.checked_hdf5 import UNREADABLE
from monitor.recording.read.experiment import EventLine, Experiment, open_experiment
from monitor.settings import Settings

__all__ = ["LOCK_FILE", "FolderLock", "held", "interrupted", "is_growing", "is_interrupted", "mend"]

OLD, KEPT = format.OLD, ".kept"
MUST_AGREE = ("cells", "pits", "onset", "schedule")
"""Sections of the settings on which results depend: with others, a recording cannot continue."""


def interrupted(settings: Settings, data_dir: Path) -> tuple[Experiment | None, str]:
    """The newest recording of this experiment, if it was interrupted and can be resumed; if it
    cannot, why not. Raises RecordingError if it cannot be read."""
    name = settings.experiment.name
    folders = [f for f in data_dir.glob(f"{name}*") if _number(f.name, name) is not None]
    if not folders:
        return None, ""
    folder = max(folders, key=lambda f: _number(f.name, name) or 0)
    if not is_interrupted(folder):
        return None, unknown_owner(folder)
    if not (folder / format.SETTINGS_FILE).exists():
        return None, ""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        return None, f"{folder} was interrupted, but belongs to another user: a new one begins"
    if (found := files.strange(folder)) is not None:
        where = found[0].relative_to(folder)
        return None, f"{folder} was interrupted, but {where} in it is {found[1]}: a new one begins"
    experiment = open_experiment(folder)
    if not experiment.has_slices:
        return None, f"{folder} was interrupted, but contains no slices: it cannot be resumed"
    mine = as_begun(pictures.of_recording(settings, folder), experiment)
    for section in MUST_AGREE:
        if getattr(experiment.settings, section) != getattr(mine, section):
            return None, _changed(folder, f"[{section}]")
    if experiment.settings.feeds.resend != settings.feeds.resend:  # it decides what is waited for
        return None, _changed(folder, "feeds.resend")
    return experiment, ""


def _changed(folder: Path, what: str) -> str:
    return (
        f"{folder} was interrupted, but {what} has changed: a new one begins. To resume it "
        f"instead, end the engine, remove the folder of the new one, set {what} as in "
        f"{folder / format.SETTINGS_FILE}, and start again"
    )


def as_begun(settings: Settings, experiment: Experiment) -> Settings:
    """The settings for a recording that is resumed: its scans are judged as early as those before,
    also if an older version began it, and its channels are those that it has."""
    begun = experiment.settings
    early = {"early_verdict": begun.onset.early_verdict}
    channels = {cell.name: cell.channels for cell in begun.cells}
    cells = tuple(
        cell.model_copy(update={"channels": channels.get(cell.name, cell.channels)})
        for cell in settings.cells
    )
    onset = settings.onset.model_copy(update=early)
    return settings.model_copy(update={"onset": onset, "channels": begun.channels, "cells": cells})


def settings_kept(given: Settings, settings: Settings) -> list[str]:
    """What of the given settings does not apply to the recording that is resumed, in words."""
    texts = []
    if settings.onset != given.onset:
        texts.append(f"onset.early_verdict remains {str(settings.onset.early_verdict).lower()}")
    if settings.all_channels != given.all_channels:
        named = ", ".join(dict.fromkeys(name for _, name, _ in settings.all_channels)) or "none"
        texts.append(f"the channels remain {named}")
    return texts


def _number(folder: str, name: str) -> int | None:
    """1 for `name`, n for `name-n`; None for others."""
    if folder == name:
        return 1
    tail = folder.removeprefix(f"{name}-")
    return int(tail) if tail != folder and tail.isdecimal() else None


def mend(folder: Path) -> None:
    """Lines that were cut short are taken off; scans that were being written are set aside, to be
    written again from what they hold. Raises OSError."""
    for path in (folder / format.JOURNAL_FILE, *folder.rglob(format.EVENTS_FILE)):
        if path.exists():
            cut_last_line(path)
    for name in (format.CYCLER_FILE, format.CHANNELS_FILE):
        for readings in folder.glob(f"*/{name}"):
            if not _can_be_written(readings):
                readings.unlink()  # the writer was killed in it; the journal has all readings
    for part in folder.glob(f"*/scan_*.h5{format.PART}"):
        old = part.with_name(part.name + OLD)
        if old.exists() or not _readable(part):
            part.unlink()  # a second crash, in the middle of this: the one set aside has all
        else:
            part.replace(old)


def forget_old(folder: Path, *, keep: bool = False) -> None:
    """The files set aside have been written again; `keep`: not all of it, and they stay, under a
    name that no later crash takes for its own."""
    for old in folder.glob(f"*/scan_*.h5{format.PART}{OLD}"):
        if keep:
            old.replace(old.with_suffix(KEPT))
        else:
            old.unlink()


def count_lines(path: Path) -> int:
    """Whole lines of a file; 0 where it is missing."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def last_event(folder: Path) -> int:
    """Number of the last event that is on the disk; 0 without any."""
    highest = 0
    for path in folder.rglob(format.EVENTS_FILE):
        with path.open("rb") as file:
            for line in file:
                entry: EventLine = json.loads(line)
                highest = max(highest, int(entry.get("number", 0)))
    return highest


def cut_last_line(path: Path) -> None:
    """Takes off what is behind the last line end. Raises OSError."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            begin = max(0, end - 65536)
            file.seek(begin)
            place = file.read(end - begin).rfind(b"\n")
            if place >= 0:
                end = begin + place + 1
                break
            end = begin
        if end < size:
            file.truncate(end)


def _can_be_written(path: Path) -> bool:
    """Whether HDF5 opens a file that may have been left in the middle of writing."""
    try:
        with h5py.File(path, "r+", libver=format.HDF5_VERSION, locking=False):
            return True
    except OSError:
        return False


def _readable(path: Path) -> bool:
    """Whether a scan's file was laid out before its writer was killed."""
    try:
        with unclosed_hdf5.opened_unclosed(path) as file:
            return "entry/ledger/order" in file
    except UNREADABLE:
        return False
