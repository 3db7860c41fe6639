"""(e) The screen: how long its event loop is held up while slices stream at full rate, what it
costs the engine, and how fast a large map is panned and zoomed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median

from tests.benchmarks.live import live, program
from tests.benchmarks.measure import PATIENCE_S, cpu_seconds
from tests.benchmarks.phantom import Foil

Screens = Sequence[tuple[str, tuple[object, ...]]]
ASKING: Screens = [("asking_probe", (600, 4))]
PAINTING: Screens = [("screen_probe", (600,))] * 4


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print the figures of each part."""
    say("(e) the screen")
    side, slices = (512, 200) if quick else (2048, 400)
    for busy in (False, True):
        felt = streaming(Foil(side, slices, 150), 20 if quick else 40, busy=busy)
        how = "a busy operator" if busy else "watching"
        say(f"    {side}² at full rate, {how}: {_words(felt)}")
    _with_and_without(say, quick=quick)
    large = 1500 if quick else 7000
    with program("pan_probe", large) as probe:
        said, _ = probe.communicate(timeout=PATIENCE_S)
    felt = json.loads(said)
    say(
        f"    {large}² map: {felt['frames_per_s']} frames/s panning and zooming, the part in view "
        f"is there {felt['fetch_ms']} ms after"
    )


def streaming(foil: Foil, seconds: int, *, busy: bool) -> dict[str, float]:
    """What the event loop of one screen felt while scans came one after the other."""
    with (
        live(foil) as parts,
        program("producer", parts["slices"], foil.side, foil.slices, foil.thickness, 12),
    ):
        parts["status"].wait_for("scan_started", 0)
        pull, status = parts["pull"], parts["status_address"]
        how = ["busy"] if busy else []
        with program("screen_probe", pull, status, seconds, *how) as probe:
            said, _ = probe.communicate(timeout=PATIENCE_S)
    return json.loads(said)


def _with_and_without(say: Callable[..., None], *, quick: bool) -> None:
    """MB/s of the engine with no screen and with four, in turn: four that only ask, as from other
    machines, and four that paint on this one's cores. Those elsewhere are one program here; against
    it stands another that takes as much of a core and asks nothing."""
    foil = Foil(256, 800, 150) if quick else Foil(2048, 400, 150)
    _, busy = _rate(foil, ASKING)
    for without, screens, words in (
        ([("burden_probe", (600, busy))], ASKING, "elsewhere"),
        ([], PAINTING, "painting on this machine"),
    ):
        none, four = [], []
        for turn in range(2 if quick else 5):
            # which of the two comes first changes, as what a machine does beside may drift
            for some in (without, screens) if turn % 2 else (screens, without):
                (four if some is screens else none).append(_rate(foil, some)[0])
        ratios = [b / a for a, b in zip(none, four, strict=True)]
        say(
            f"    engine with 0 and 4 screens {words}: {median(none):.0f} and {median(four):.0f} "
            f"MB/s, ratios {', '.join(f'{r:.2f}' for r in ratios)}, median {median(ratios):.3f}"
        )


def _rate(foil: Foil, screens: Screens) -> tuple[float, float]:
    """MB/s of the engine, and seconds of a core that the screens took in each second."""
    scans = 12 if foil.side > 1000 else 4
    with ExitStack() as stack:
        parts = stack.enter_context(live(foil))
        pull, status = parts["pull"], parts["status_address"]
        pids = [
            stack.enter_context(program(kind, pull, status, *arguments)).pid
            for kind, arguments in screens
        ]
        # until all of them have drawn their first map and are at rest; as long without
        time.sleep(20.0)
        sender = program("producer", parts["slices"], foil.side, foil.slices, foil.thickness, scans)
        stack.enter_context(sender)
        begin = parts["status"].wait_for("scan_started", 0)
        before = sum(map(cpu_seconds, pids))
        end = parts["status"].wait_for("scan_complete", scans - 1)
        took = (sum(map(cpu_seconds, pids)) - before) / (end - begin)
        return scans * foil.slices * foil.side**2 * 2 / 1e6 / (end - begin), took


def _words(felt: dict[str, float]) -> str:
    return (
        f"event loop {felt['median_ms']} ms median, {felt['p99_ms']} ms P99, "
        f"{felt['worst_ms']} ms worst, {felt['over_50_ms']} times over 50 ms in {felt['turns']}; "
        f"at work {felt['own_p99_ms']} ms P99, {felt['own_worst_ms']} ms worst, "
        f"{felt['own_over_50_ms']} times over 50 ms"
    )
