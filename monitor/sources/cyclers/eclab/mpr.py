"""EC-Lab binary files (`.mpr`), read whole by another process each time they have changed."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.errors import MissingSoftware, SourceError
from monitor.processes import own_environment
from monitor.sources.cyclers.eclab.derive import Carry, derive
from monitor.sources.cyclers.new_readings import Look, at_whole_file
from monitor.sources.cyclers.table import CyclerTable, make_table
from monitor.sources.formats import Format, Software

FORMAT = Format(
    "EC-Lab binary",
    ".mpr",
    "at least one reading",
    software=Software(
        "galvani",
        files=".mpr files",
        extra="mpr",
        distribution="datalab-org-galvani",
        least="0.6",
        else_lacking="files of EC-Lab 11.50 and newer",
    ),
)
MAGIC = b"BIO-LOGIC MODULAR FILE"
PROCESS = "monitor.sources.cyclers.eclab.galvani_process"
MISSING_EXIT = 3
TIMEOUT_S = 300.0
EVERY = 5
"""A growing file is read in every fifth look only: it is read whole."""


def recognises(path: Path, head: bytes) -> bool:
    """By its first bytes."""
    return head.startswith(MAGIC)


def follow(path: Path) -> Look:
    """Looks at a file that grows."""
    return at_whole_file(path, lambda: read(path), EVERY)


def read(path: Path) -> CyclerTable:
    """All readings of a file. Raises SourceError, and MissingSoftware without galvani."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", PROCESS, str(path)],
            capture_output=True,
            timeout=TIMEOUT_S,
            env=own_environment(),
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{path}: its reader took more than {TIMEOUT_S:.0f} s; stopped") from None
    if done.returncode == MISSING_EXIT:
        raise MissingSoftware(
            f"{path}: reading .mpr needs datalab-org-galvani, which is not installed; run "
            "'pip install datalab-org-galvani', or export the file as text (.mpt) in EC-Lab"
        )
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise SourceError(
            f"{path}: cannot be read as .mpr ({why[-1]}); export it as text (.mpt) in EC-Lab"
        )
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as file:
        names = [str(name) for name in file["names"]]
        columns = {name: file[f"column_{i}"] for i, name in enumerate(names)}
        started = str(file["started"])
    if "time/s" not in columns:
        raise SourceError(f"{path}: has no column time/s; export it as text (.mpt) in EC-Lab")
    start = datetime.fromisoformat(started).replace(tzinfo=UTC) if started else None
    carry = Carry()
    derived = derive(columns, columns["time/s"].size, carry)
    notes = tuple(f"{path}: {line}" for line in carry.told())
    return make_table(derived, start.timestamp() if start else None, True, 0, notes)
