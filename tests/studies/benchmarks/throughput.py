"""(b) The engine end to end beside a bare subscriber of the same stream, on the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from monitor.processes import free_addresses
from tests.studies.benchmarks.live import live, program
from tests.studies.benchmarks.measure import PATIENCE_S
from tests.studies.benchmarks.phantom import Foil


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print MB/s of both, each repeat with its ratio, then the medians."""
    # as many slices as a real scan has: what is done once a scan weighs as much as it does there
    foil = Foil(256, 800, 150) if quick else Foil(1024, 800, 150)
    scans, repeats = 2, 2 if quick else 5
    size = scans * foil.slices * foil.side**2 * 2 / 1e6
    say("(b) engine end to end beside a bare subscriber of the same stream")
    say(f"    {scans} scans of {foil.slices} × {foil.side}² uint16: {size:.0f} MB")
    rows = []
    for _ in range(repeats):
        bare = size / bare_seconds(foil, scans)
        plain = size / engine_seconds(foil, scans, record=False)[0]
        to_result, to_disk = engine_seconds(foil, scans, record=True)
        rows.append((bare, plain, size / to_result, size / to_disk))
        say("    " + _row(rows[-1]))
    say("    median of the ratios: " + _ratios(rows, median) + "; best: " + _ratios(rows, max))


def _row(row: tuple[float, ...]) -> str:
    bare, plain, recording, written = row
    return (
        f"bare {bare:6.0f} MB/s, engine {plain:6.0f} ({plain / bare:.2f}), recording slices "
        f"{recording:6.0f} ({recording / bare:.2f}), until all is on disk {written:6.0f}"
    )


def _ratios(rows: list[tuple[float, ...]], choose: Callable[[list[float]], float]) -> str:
    plain, recording = (choose([row[k] / row[0] for row in rows]) for k in (1, 2))
    return f"engine {plain:.2f}, recording slices {recording:.2f}"


def bare_seconds(foil: Foil, scans: int) -> float:
    """From the first message to the last, in the bare subscriber."""
    (address,) = free_addresses(1)
    count = scans * (foil.slices + 2)
    with (
        program("discard", address, count) as subscriber,
        program("producer", address, foil.side, foil.slices, foil.thickness, scans),
    ):
        said, _ = subscriber.communicate(timeout=PATIENCE_S)
        return float(said)


def engine_seconds(foil: Foil, scans: int, *, record: bool) -> tuple[float, float]:
    """From the first header to the last scan's results, and until everything is written."""
    with (
        live(foil, record=record) as parts,
        program("producer", parts["slices"], foil.side, foil.slices, foil.thickness, scans),
    ):
        begin = parts["status"].wait_for("scan_started", 0)
        end = parts["status"].wait_for("scan_complete", scans - 1)
        while parts["watcher"].state()["recorder"]["queued_bytes"]:
            time.sleep(0.02)
        return end - begin, time.perf_counter() - begin
