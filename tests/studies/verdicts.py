"""`python -m tests.studies.verdicts [--scans N] [--seed N]`: early verdicts beside final ones.

Random scans (pits, noise, thickness, contrast), their slices lost, repeated, out of order or late,
readings before, between or after them, are fed to two sessions: one that judges early, one that
waits for the end of each scan. Exits with 1 if the early one ever told what did not hold, without a
correction, or ended with another result.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from monitor.core.session import Session
from monitor.records import CyclerDocument, Event, FeedQuiet, Record, ScanEnd, SliceFrame
from tests.core.experiment import cycler_documents, settings
from tests.core.phantom import columns, noisy, records, start
from tests.core.test_early_verdict import numbers
from tests.core.test_session import finals

SIDE, FOIL = 32, 46.0
SCANS_OF_CELL = 4
HERE = "tcp://127.0.0.1:5602"


def cell_of(rng: np.random.Generator) -> list[Record]:
    """The records of one cell with a few scans, as badly as they may arrive."""
    slices = int(rng.integers(150, 260))
    noise = float(rng.uniform(5, 25))
    resend = HERE if rng.random() < 0.6 else ""
    y, x = np.mgrid[:SIDE, :SIDE]
    places = rng.uniform(4, SIDE - 4, (int(rng.integers(0, 4)), 2))
    begin_at = int(rng.integers(0, SCANS_OF_CELL))
    documents = cycler_documents(1800.0 * SCANS_OF_CELL) if rng.random() < 0.8 else []
    made: list[Record] = list(documents[:2])
    readings = [d for d in documents[2:] if rng.random() < 0.9]
    for scan in range(SCANS_OF_CELL):
        lost = np.full((SIDE, SIDE), rng.uniform(0.5, 2.0) * scan)
        for cy, cx in places if scan >= begin_at else ():
            inside = np.clip(1 - ((y - cy) ** 2 + (x - cx) ** 2) / 36.0, 0, None)
            lost += (3 + 3 * (scan - begin_at)) * np.sqrt(inside)
        clean = columns(np.full((SIDE, SIDE), 12.2), 12.2 + FOIL - lost, slices)
        begin = start((slices, SIDE, SIDE), scan=scan, resend=resend)
        begin = replace(begin, msg_number=scan * (slices + 2))
        order = range(slices) if rng.random() < 0.8 else range(slices - 1, -1, -1)
        feed = records(begin, noisy(clean, noise=noise, seed=int(rng.integers(2**31))), order=order)
        now, readings = _up_to(readings, 1800.0 * scan + rng.uniform(-1200, 1800))
        made += _mixed(_disturbed(feed, rng, bool(resend)), now, rng)
        if rng.random() < 0.5:
            made.append(FeedQuiet(given_up=True))
    return [*made, *readings, FeedQuiet(given_up=True)]


def _up_to(readings: list[CyclerDocument], time: float) -> tuple[list[Any], list[Any]]:
    return (
        [d for d in readings if d.doc["time"] <= time],
        [d for d in readings if d.doc["time"] > time],
    )


def _mixed(feed: list[Record], readings: list[Any], rng: np.random.Generator) -> list[Record]:
    """Readings in their order, somewhere between the slices."""
    places = np.sort(rng.integers(0, len(feed) + 1, len(readings)))
    timed = [(float(place), 0, n, r) for n, (place, r) in enumerate(zip(places, readings))]  # noqa: B905
    timed += [(n + 0.5, 1, n, r) for n, r in enumerate(feed)]
    return [record for *_, record in sorted(timed, key=lambda one: one[:3])]


def _disturbed(feed: list[Record], rng: np.random.Generator, can_be_asked: bool) -> list[Record]:
    begin, *middle, end = feed
    apart, share = rng.choice([0.0, 2.0, 20.0]), rng.choice([0.0, 0.02, 0.1])
    timed = []
    for place, record in enumerate(middle):
        time = place + rng.normal(0, apart) if apart else float(place)
        if rng.random() < share:
            if not can_be_asked or rng.random() < 0.1:
                continue
            assert isinstance(record, SliceFrame)
            timed.append((place + rng.exponential(80), replace(record, recovered=True)))
        else:
            timed.append((time, record))
            if rng.random() < share:
                timed.append((place + rng.exponential(40), record))
    timed.sort(key=lambda one: one[0])
    cut = rng.random() < 0.1
    kept = [r for _, r in timed][: int(len(timed) * rng.uniform(0.3, 1)) if cut else None]
    return [begin, *kept, *([] if cut else [end])]


def compare(feed: list[Record], memory_MB: float) -> tuple[list[str], Counter[str]]:
    """What differs between the two sessions, and how many verdicts were early."""
    told, counts = [], Counter[str]()
    outputs = {}
    for early in (True, False):
        session = Session(
            settings(onset={"early_verdict": early}, feeds={"reorder_memory_MB": memory_MB})
        )
        outputs[early] = [o for record in feed for o in session.feed(record)]
    last = {
        early: {r.key: repr(numbers(r)) for r in finals(found)} for early, found in outputs.items()
    }
    if last[True] != last[False]:
        told.append("the results at the end differ")
    events = [o for o in outputs[True] if isinstance(o, Event)]
    ends = {e.data["scan"]: e.data for e in events if e.kind == "scan_complete"}
    corrected = {e.data["scan"] for e in events if e.kind == "scan_corrected"}
    for verdict in (e.data for e in events if e.kind == "scan_verdict"):
        counts["verdicts"] += 1
        counts["early"] += verdict["slices_to_come"] > 0
        counts["corrected"] += verdict["scan"] in corrected
        whole = ends.get(verdict["scan"])
        if whole is None:
            told.append(f"scan {verdict['scan']} has a verdict, and no end")
        elif verdict["scan"] not in corrected:
            same = {name: verdict[name] == whole[name] for name in whole if name in verdict}
            told += [
                f"scan {verdict['scan']}: {n} was {verdict[n]}, is {whole[n]}"
                for n, is_same in same.items()
                if not is_same
            ]
    decided = {
        early: [e.data for e in found if isinstance(e, Event) and e.kind == "decision"]
        for early, found in outputs.items()
    }
    by_scan = {early: {(d["scan"], d["verdict"]) for d in some} for early, some in decided.items()}
    if by_scan[True] != by_scan[False]:
        counts["decided otherwise"] += 1
    return told, counts


def main() -> int:
    """Compare, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.verdicts", description=__doc__)
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    total, wrong = Counter[str](), 0
    for number in range(-(-chosen.scans // SCANS_OF_CELL)):
        rng = np.random.default_rng((chosen.seed, number))
        feed = cell_of(rng)
        memory_MB = float(rng.choice([0.05, 0.2, 8000.0]))
        told, counts = compare(feed, memory_MB)
        total += counts
        total["scans"] += sum(isinstance(r, ScanEnd) for r in feed)
        for text in told:
            print(f"cell {chosen.seed}/{number}: {text}", flush=True)
        wrong += bool(told)
    print(", ".join(f"{count} {name}" for name, count in total.items()))
    print("every verdict held, or was corrected" if not wrong else f"{wrong} cells differ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
