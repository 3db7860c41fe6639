"""(d) Peak memory of the engine against the number of slices of a scan; the foil stays the same."""

from __future__ import annotations

from collections.abc import Callable

from tests.studies.benchmarks.live import live, sender
from tests.studies.benchmarks.measure import peak_memory_MB
from tests.studies.benchmarks.phantom import Foil

HWM = 16


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print one line a length of scan. The sockets' own queue is not meant, and kept short."""
    side = 256 if quick else 512
    say(f"(d) peak memory of the engine, {side}² uint16, foil of 60 slices, two scans")
    for slices in (100, 200, 400) if quick else (100, 200, 400, 800):
        foil = Foil(side, slices)
        with live(foil, hwm=HWM) as parts:
            before = peak_memory_MB(parts["pid"])
            with sender(parts["slices"], foil, 2):
                parts["status"].wait_for("scan_complete", 1)
            after = peak_memory_MB(parts["pid"])
        scan = slices * side**2 * 2 / 1e6
        say(
            f"    {slices:4} slices ({scan:5.0f} MB a scan): {before:6.0f} MB when ready, "
            f"{after:6.0f} MB at most: {after - before:+.0f} MB"
        )
