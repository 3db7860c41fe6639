"""(c) From the last slice sent to maps, pits and verdict published."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median

import zmq

from monitor.faraday import UM_PER_MAH_CM2
from tests.studies.benchmarks.live import live
from tests.studies.benchmarks.phantom import VOXEL_UM, Foil
from tests.studies.benchmarks.producer import bound, messages

AREA_CM2 = 0.19635


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print the delays of each scan after the reference, for small and large maps."""
    say("(c) last slice sent → scan_complete heard, after maps, pits and verdict")
    for side in (256, 512) if quick else (512, 2048):
        foil = Foil(side, 104)
        delays, pits = measured(foil, scans=4 if quick else 6)
        listed = " ".join(f"{1000 * delay:.0f}" for delay in delays)
        say(
            f"    {side:4}² with {pits} pits: median {1000 * median(delays):.0f} ms, best "
            f"{1000 * min(delays):.0f} ms of [{listed}]"
        )


def measured(foil: Foil, scans: int) -> tuple[list[float], int]:
    """Seconds for scans 1, 2, …, and the pits found in the last one."""
    delays = []
    with live(foil) as parts:
        slices = bound(parts["context"], parts["slices"])
        cycler = parts["context"].socket(zmq.XPUB)
        cycler.bind(parts["documents"])
        slices.recv()
        cycler.recv()
        _describe(cycler)
        for scan in range(scans):
            stripped = float((foil.heights(0) - foil.heights(scan)).mean()) * VOXEL_UM
            _read(cycler, 1800.0 * scan, stripped / UM_PER_MAH_CM2 * AREA_CM2)
            *early, last, end = messages(foil, scan, foil.volume(scan))
            for frames in early:
                slices.send_multipart(frames, copy=False)
            _wait_until_taken(parts["watcher"], foil.slices - 1)
            begin = time.perf_counter()
            slices.send_multipart(last, copy=False)
            delays.append(parts["status"].wait_for("scan_complete", scan) - begin)
            slices.send_multipart(end)
        found = parts["watcher"].state()["cells"]["A"]["scans"][-1]["pit_count"]
    return delays[1:], found


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
