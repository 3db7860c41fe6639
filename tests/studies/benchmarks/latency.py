"""(c) From the last slice sent to maps, pits and verdict published."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from statistics import median

import zmq

from monitor.faraday import UM_PER_MAH_CM2
from monitor.wire.results.queries import StatisticsRequest
from tests.studies.benchmarks.live import live
from tests.studies.benchmarks.measure import peak_memory_MB
from tests.studies.benchmarks.phantom import LOWER, VOXEL_UM, Foil
from tests.studies.benchmarks.producer import bound, messages

AREA_CM2 = 0.19635


SLICES = 200
"""The foil is in the lower third of them."""
PAPER = 8368, 907
RECORDED_SHARE = 0.6
"""Of the bytes of slices, at most, that are on the disk: compression halves these."""


@dataclass(frozen=True)
class Measured:
    """Of the scans after the reference: `delays`, s; `to_come`: how many slices were still to come
    when the verdict was told, if it was told before the end; `pits` of the last; `off`, voxels: how
    far the mean height of each scan is from the foil's; `refined`: whether all heights are; peak
    memory of the engine, and what of it came after it was ready, MB."""

    delays: list[float]
    to_come: list[int]
    pits: int
    off: list[float]
    refined: bool
    peak_MB: float
    grown_MB: float


def run(
    say: Callable[..., None], *, quick: bool, paper: bool = False, record: bool = False
) -> None:
    """Print a table over the sides, slices in the order of the foil and reversed, with ratios to
    its first row. `paper`: of the paper's own scan instead; `record`: slices are recorded, as many
    as the disk holds."""
    say("(c) last slice sent → scan_complete heard, after maps, pits and verdict; each × first row")
    say(
        "    side slices order    pits  median ms     ×  best ms  verdict with … to come  "
        "peak MB  B/px  heights off, voxels"
    )
    first = 0.0
    sizes = [(side, SLICES) for side in ((256, 512) if quick else (512, 1024, 2048, 4096))]
    for side, slices in [PAPER] if paper else sizes:
        scans = 4 if side < 2000 else 3
        if record:
            free = shutil.disk_usage(tempfile.gettempdir()).free
            slices = min(slices, int(0.8 * free / (scans * RECORDED_SHARE * 2 * side**2)))
        for reversed_z in (False, True):
            foil = Foil(side, slices, reversed_z=reversed_z)
            one = measured(foil, scans, record=record)
            middle = 1000 * median(one.delays)
            first = first or middle
            told = str(round(median(one.to_come))) if one.to_come else "–"
            order = "reversed" if reversed_z else "upright "
            say(
                f"    {side:4} {slices:6} {order} {one.pits:5} "
                f"{middle:10.0f} {middle / first:5.1f} {1000 * min(one.delays):8.0f} {told:>23} "
                f"{one.peak_MB:8.0f} {1e6 * one.grown_MB / side**2:5.0f}  "
                f"{', '.join(f'{off:+.3f}' for off in one.off)}"
                f"{'' if one.refined else ', not refined'}"
            )


def measured(foil: Foil, scans: int, *, record: bool = False) -> Measured:
    """Scans 1, 2, … after a reference; no more than some slices are in memory here."""
    delays, off = [], []
    with live(foil, record=record, ready_MB=0.0) as parts:
        ready = peak_memory_MB(parts["pid"])
        slices = bound(parts["context"], parts["slices"], hwm=4)
        cycler = parts["context"].socket(zmq.XPUB)
        cycler.bind(parts["documents"])
        slices.recv()
        cycler.recv()
        _describe(cycler)
        for scan in range(scans):
            stripped = float((foil.heights(0) - foil.heights(scan)).mean()) * VOXEL_UM
            _read(cycler, 1800.0 * scan + 60.0, stripped / UM_PER_MAH_CM2 * AREA_CM2)
            sent = messages(foil, scan, foil.planes(scan))
            for frames in islice(sent, foil.slices):  # the header, and all slices but the last
                slices.send_multipart(frames, copy=False)
            last, end = sent
            _wait_until_taken(parts["watcher"], foil.slices - 1)
            begin = time.perf_counter()
            slices.send_multipart(last, copy=False)
            delays.append(parts["status"].wait_for("scan_complete", scan) - begin)
            slices.send_multipart(end)
            off.append(_off(parts["watcher"], foil, scan))
        known = parts["watcher"].state()["cells"]["A"]["scans"]
        peak = peak_memory_MB(parts["pid"])
    heard = parts["status"].heard
    told = [heard[one]["slices_to_come"] for one in heard if one[0] == "scan_verdict" and one[1]]
    refined = all(scan["refined"] for scan in known)
    pits = known[-1]["pit_count"]
    return Measured(delays[1:], told, pits, off, refined, peak, peak - ready)


def _off(watcher, foil: Foil, scan: int) -> float:
    """Of the mean height, voxels."""
    found, _ = watcher.ask(StatisticsRequest("A", scan, "height"))
    return found["mean"] / VOXEL_UM - float((foil.heights(scan) - LOWER).mean(dtype=float))


def _wait_until_taken(watcher, count: int) -> None:
    while (watcher.state()["cells"]["A"]["running"] or {"received": 0})["received"] < count:
        time.sleep(0.05)
    time.sleep(0.2)


def _send(cycler, name: str, /, **doc) -> None:
    cycler.send(b" " + name.encode() + b" " + json.dumps(doc).encode())


def _describe(cycler) -> None:
    _send(cycler, "start", uid="r", time=0, cell="A")
    _send(cycler, "descriptor", uid="d", run_start="r", time=0, data_keys={})


def _read(cycler, time_s: float, charge_mAh: float) -> None:
    data = {"vmp_current": -0.2, "vmp_charge": -charge_mAh, "vmp_potential": 2.1}
    stamps = dict.fromkeys(data, time_s)
    _send(
        cycler, "event", descriptor="d", uid=f"e{time_s}", time=time_s, data=data, timestamps=stamps
    )
