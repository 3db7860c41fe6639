"""Follows an engine as a screen does: its state, and what its scans are known to have found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.errors import BadMessage, EngineUnreachable
from monitor.sockets.keys import ClientKeys
from monitor.watch import Watcher
from monitor.wire.results.cells import Scan
from monitor.wire.results.headers import ReplyHeader
from monitor.wire.results.queries import EventsRequest, PitsRequest, Request, StateRequest
from monitor.wire.results.state import State
from monitor.wire.results.state_updates import updated

ANSWER_S = 2.0
MALFORMED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What a reply raises that is not as the contract says."""
ONSET = ("pit_onset",)


@dataclass(frozen=True, slots=True)
class CellFindings:
    """What is known of a cell. `scan`: the latest whose numbers are known; `deepest_error`:
    standard error of its deepest pit's depth, in its length unit, NaN if there is none;
    `onset_scan`: the scan with the first significant pit."""

    scan: Scan | None = None
    deepest_error: float = math.nan
    onset_scan: int | None = None


class Follower:
    """One engine, asked for what is new; whichever engine answers at the address, also after a
    restart."""

    def __init__(self, pull: str, keys: ClientKeys | None = None) -> None:
        self.address = pull
        self._watcher = Watcher(pull, keys)
        self._state: State | None = None
        self._findings: dict[str, CellFindings] = {}

    def state(self) -> State:
        """The whole state now. Raises EngineUnreachable."""
        old = self._state
        since, engine = (old["version"], old["engine"]) if old else (-1, "")
        told = self._ask(StateRequest(since, engine, changes=True))
        try:
            self._state = updated(old, told)  # type: ignore[arg-type]
        except MALFORMED:
            self._state = None
            raise self._no_engine() from None
        if old is None or old["engine"] != self._state["engine"]:
            self._findings.clear()
        return self._state

    def findings(self, state: State) -> Mapping[str, CellFindings]:
        """What is known of each cell of this state. Raises EngineUnreachable."""
        for name, cell in state["cells"].items():
            known = self._findings.get(name)
            scan = latest(cell.get("scans", ()))
            self._findings[name] = CellFindings(
                scan,
                self._deepest_error(name, scan, known),
                self._onset(name, state, known),
            )
        return dict(self._findings)

    def _deepest_error(self, cell: str, scan: Scan | None, known: CellFindings | None) -> float:
        if scan is None or not scan.get("pit_count"):
            return math.nan
        if known and known.scan and known.scan["version"] == scan["version"]:
            return known.deepest_error
        columns = self._ask(PitsRequest(cell, scan["scan"])).get("columns", {})
        for unit in ("um", "voxel"):
            depths = columns.get(f"depth_max_{unit}")
            if depths:
                deepest = max(range(len(depths)), key=lambda row: depths[row] or 0.0)
                error = columns[f"depth_max_error_{unit}"][deepest]
                return math.nan if error is None else float(error)
        return math.nan

    def _onset(self, cell: str, state: State, known: CellFindings | None) -> int | None:
        if known is None:
            events = self._ask(EventsRequest(cell, limit=1, kinds=ONSET)).get("events", ())
        elif known.onset_scan is not None:
            return known.onset_scan
        else:
            events = state.get("events", ())
        scans = [e["scan"] for e in events if e["type"] in ONSET and e["cell"] == cell]
        return scans[0] if scans else None

    def _ask(self, request: Request) -> ReplyHeader:
        try:
            header: ReplyHeader = self._watcher.ask(request, ANSWER_S)[0]
        except BadMessage:
            self._watcher.reconnect()
            raise self._no_engine() from None
        except EngineUnreachable:
            self._watcher.reconnect()
            raise
        return header

    def _no_engine(self) -> EngineUnreachable:
        return EngineUnreachable(
            f"what answers at {self.address} is not an engine of this version; check the address"
        )

    def close(self) -> None:
        self._watcher.close()


def latest(scans: Any) -> Scan | None:
    """The last of a cell's scans whose numbers are known."""
    known = [scan for scan in scans if scan.get("judged") or not scan["provisional"]]
    return known[-1] if known else None
