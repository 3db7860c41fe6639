"""(b) The engine end to end beside a bare subscriber of the same stream, and beside the disk alone,
on the same machine. Seconds of a core hold on machines with more cores too."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from monitor.processes import free_addresses
from tests.studies.benchmarks.live import live, program, sender
from tests.studies.benchmarks.measure import PATIENCE_S, cpu_seconds
from tests.studies.benchmarks.phantom import Foil

FULL_RANGE = 200
"""Grey values of 16 bits, whose noise leaves nothing to compress."""
PIECE = 2**19


@dataclass(frozen=True)
class Speed:
    """MB/s until the results are there, and until all is on the disk; seconds of a core for each
    GB."""

    results: float
    disk: float
    cores: float


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print MB/s of all, each repeat with its ratios, then the medians."""
    # as many slices as a real scan has: what is done once a scan weighs as much as it does there
    foil = Foil(256, 800, 150) if quick else Foil(1024, 800, 150)
    scans, repeats = 2, 2 if quick else 5
    full = replace(foil, grey=FULL_RANGE)
    say("(b) engine end to end beside a bare subscriber of the same stream")
    size = _megabytes(foil, scans)
    say(f"    {scans} scans of {foil.slices} × {foil.side}² uint16: {size:.0f} MB")
    ratios: dict[str, list[float]] = {}
    for _ in range(repeats):
        load = os.getloadavg()[0]
        bare, disk = bare_speed(foil, scans), disk_speed(full, scans)
        most = min(bare.results, disk)
        rows = {
            "engine": (engine_speed(foil, scans, record=False), bare.results),
            "recording greys of 8 bits": (engine_speed(foil, scans, record=True), bare.results),
            "recording greys of 16 bits": (engine_speed(full, scans, record=True), most),
        }
        say(f"    load {load:.1f}: disk alone {disk:.0f} MB/s, bare subscriber {_row(bare)}")
        for name, (speed, allowed) in rows.items():
            told, kept = speed.results / bare.results, speed.disk / allowed
            ratios.setdefault(name, []).append(told)
            ratios.setdefault(f"{name}, until on disk", []).append(kept)
            ratios.setdefault(f"{name}, core s per GB", []).append(speed.cores)
            say(
                f"      {name:26} {_row(speed)}: {told:.2f} of bare; until on disk "
                f"{speed.disk:5.0f} MB/s, {kept:.2f} of what is allowed"
            )
        ratios.setdefault("bare subscriber, core s per GB", []).append(bare.cores)
    say("    medians, and the best:")
    for name, values in sorted(ratios.items()):
        best = min(values) if name.endswith("GB") else max(values)
        say(f"      {name:42} {median(values):5.2f} {best:5.2f}")


def _megabytes(foil: Foil, scans: int) -> float:
    return scans * foil.slices * foil.side**2 * 2 / 1e6


def _row(speed: Speed) -> str:
    return f"{speed.results:5.0f} MB/s, {speed.cores:.2f} s of a core per GB"


def bare_speed(foil: Foil, scans: int) -> Speed:
    """From the first message to the last, in the bare subscriber."""
    (address,) = free_addresses(1)
    count, size = scans * (foil.slices + 2), _megabytes(foil, scans)
    with program("discard", address, count) as subscriber, sender(address, foil, scans):
        said, _ = subscriber.communicate(timeout=PATIENCE_S)
    seconds, cores = map(float, said.split())
    return Speed(size / seconds, 0.0, 1e3 * cores / size)


def disk_speed(foil: Foil, scans: int) -> float:
    """MB/s of a program that only writes as many bytes, each scan's to the disk itself."""
    data = np.random.default_rng(0).bytes(PIECE)
    pieces = int(_megabytes(foil, 1) * 1e6 / PIECE)
    with tempfile.TemporaryDirectory(prefix="pitwatch-benchmark-") as folder:
        begin = time.perf_counter()
        for scan in range(scans):
            with (Path(folder) / f"{scan}").open("wb", buffering=0) as file:
                for _ in range(pieces):
                    file.write(data)
                os.fsync(file.fileno())
        return scans * pieces * PIECE / 1e6 / (time.perf_counter() - begin)


def engine_speed(foil: Foil, scans: int, *, record: bool) -> Speed:
    """From the first header to the last scan's results, and until everything is written."""
    size = _megabytes(foil, scans)
    with live(foil, record=record) as parts, sender(parts["slices"], foil, scans):
        begin, busy = parts["status"].wait_for("scan_started", 0), cpu_seconds(parts["pid"])
        results = parts["status"].wait_for("scan_complete", scans - 1) - begin
        while parts["watcher"].state()["recorder"]["queued_bytes"]:
            time.sleep(0.02)
        written, cores = time.perf_counter() - begin, cpu_seconds(parts["pid"]) - busy
    return Speed(size / results, size / written, 1e3 * cores / size)
