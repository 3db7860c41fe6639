"""Waits of tests: for what stays true once it is, as long as a busy machine may need."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from monitor.recording.resume.interrupted import count_lines
from monitor.watch import Watcher
from monitor.wire.results.queries import Request

PATIENCE_S = 180.0
PATIENCE_MS = int(PATIENCE_S * 1000)
STATUSES = ("sent", "accepted", "running", "scanning", "done")
"""Of a request that is served, in their order; each may have passed before it is looked at."""

T = TypeVar("T")


def eventually(met: Callable[[], T], *, step_s: float = 0.01, patience_s: float = PATIENCE_S) -> T:
    """The first result of `met` that counts as true; what it looks at must stay so."""
    end = time.monotonic() + patience_s
    while not (found := met()):
        assert time.monotonic() < end, f"not met within {patience_s:g} s"
        time.sleep(step_s)
    return found


class PatientWatcher(Watcher):
    """Waits for each answer as long as a busy engine may need."""

    def ask(self, request: Request, timeout_s: float = PATIENCE_S) -> tuple[dict[str, Any], Any]:
        return super().ask(request, timeout_s)

    def state(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        return super().state(timeout_s)


def status_of(state: dict[str, Any], cell: str = "A") -> str:
    """Of a cell's newest request, "" without one."""
    requests = state["cells"][cell]["requests"]
    return str(requests[-1]["status"]) if requests else ""


def has_reached(state: dict[str, Any], status: str, cell: str = "A") -> bool:
    """Whether the newest request has this status or a later one of a request that is served."""
    return status_of(state, cell) in STATUSES[STATUSES.index(status) :]


def on_disk(watcher: Watcher, folder: Path) -> None:
    """Waits until all messages that the engine has taken, and their slices, are on the disk: a kill
    loses nothing of them. Nothing more may be on its way."""

    def is_flushed() -> bool:
        state = watcher.state()
        lines = count_lines(folder / "journal.jsonl")
        if state["recorder"]["queued_bytes"] or lines != state["recorder"]["messages"]:
            return False
        running = [cell["running"] for cell in state["cells"].values() if cell["running"]]
        return sum(scan["received"] for scan in running) <= _slices_of_parts(folder)

    eventually(is_flushed, step_s=0.1)


def _slices_of_parts(folder: Path) -> int:
    kept = 0
    for part in folder.glob("*/scan_*.h5.part"):
        try:
            with h5py.File(part, "r", libver="latest", swmr=True, locking=False) as file:
                kept += int(np.count_nonzero(file["entry/ledger/order"][()] >= 0))
        except (OSError, KeyError):  # it is being laid out, or was finished
            continue
    return kept
