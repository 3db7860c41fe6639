"""(e) The screen: how long its event loop is held up while slices stream at full rate, what it
costs the engine, and how fast a large map is panned and zoomed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from signal import SIGCONT, SIGSTOP
from statistics import mean, median, stdev

from tests.studies.benchmarks.live import live, program, sender
from tests.studies.benchmarks.measure import PATIENCE_S
from tests.studies.benchmarks.phantom import Foil

BLOCK, FASTEST = 3, 2.5e9


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print the figures of each part."""
    say("(e) the screen")
    side, slices = (512, 200) if quick else (2048, 400)
    for busy, apart in ((False, False), (True, False), (False, True), (True, True)):
        felt = streaming(Foil(side, slices, 150), 20 if quick else 40, busy=busy, apart=apart)
        how = "a busy operator" if busy else "watching"
        where = "a core apart" if apart else "all cores shared"
        say(f"    {side}² at full rate, {how}, {where}: {_words(felt)}")
    _with_and_without(say, quick=quick)
    large = 1500 if quick else 8368
    with program("pan_probe", large) as probe:
        said, _ = probe.communicate(timeout=PATIENCE_S)
    felt = json.loads(said)
    say(
        f"    {large}² map, {felt['pits']} pits: {felt['frames_per_s']} frames/s panning and "
        f"zooming, longest turn of the loop {felt['longest_turn_ms']} ms (at the first sight "
        f"{felt['longest_first_turn_ms']} ms), the part in view after {felt['fetch_ms']} ms"
    )


def streaming(foil: Foil, seconds: int, *, busy: bool, apart: bool) -> dict[str, float]:
    """What the event loop of one screen felt while scans came one after the other.

    `apart`: the screen has a core to itself, as where it runs on another machine, and all others
    have the rest; else engine and producer compete with it for all of them.
    """
    cores = sorted(os.sched_getaffinity(0))
    # more than can be taken meanwhile
    scans = 4 + int((seconds + 10) * FASTEST / (foil.slices * foil.side**2 * 2))
    with (
        _on_cores(cores[:-1] if apart else cores),
        # few slices wait: where the screen takes its part of the cores, the producer does too
        live(foil, hwm=100) as parts,
        sender(parts["slices"], foil, scans),
    ):
        parts["status"].wait_for("scan_started", 0)
        pull, status = parts["pull"], parts["status_address"]
        how = ["busy"] if busy else []
        with (
            _on_cores(cores[-1:] if apart else cores),
            program("screen_probe", pull, status, seconds, *how) as probe,
        ):
            said, _ = probe.communicate(timeout=PATIENCE_S)
    return json.loads(said)


@contextmanager
def _on_cores(cores: list[int]) -> Iterator[None]:
    """Programs started meanwhile run on these cores; at least two are needed to divide them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _with_and_without(say: Callable[..., None], *, quick: bool) -> None:
    """MB/s of the engine with no screen and with four: four that only ask, as from other machines,
    and four that paint on this one's cores."""
    # as many slices as the paper's volumes have: what a screen asks for comes once a scan
    some = in_turn(Foil(512, 907, 150) if quick else Foil(2048, 907, 150), 4 if quick else 40)
    error = stdev(some) / len(some) ** 0.5
    say(
        f"    engine with 4 screens elsewhere over 0 screens: {mean(some):.3f} ± {error:.3f} "
        f"({len(some)} pairs, median {median(some):.3f})"
    )
    foil = Foil(256, 800, 150) if quick else Foil(2048, 400, 150)
    none, four = [], []
    for turn in range(1 if quick else 3):
        # which of the two comes first changes, as what a machine does beside may drift
        for screens in (4, 0) if turn % 2 else (0, 4):
            (four if screens else none).append(_rate_painting(foil, screens))
    say(
        f"    engine with 0 and 4 screens painting on this machine: {median(none):.0f} and "
        f"{median(four):.0f} MB/s"
    )


def in_turn(foil: Foil, rounds: int) -> list[float]:
    """Ratios of the engine's rate while four screens elsewhere ask to its rate while none does.

    One engine all the time, in blocks of `BLOCK` scans with and without, as two engines on one
    machine differ by more than what is looked for; screens whose turn it is not are stopped (POSIX
    signals). Which comes first changes from round to round; of each block, the first scan is not
    counted. The four are one program, and what it takes of the cores here counts as the engine's.
    """
    scans = BLOCK * (2 + 2 * rounds)
    took: dict[bool, list[float]] = {True: [], False: []}
    # few slices wait, so that whoever sends takes its part of the cores until the end
    with live(foil, hwm=100) as parts, ExitStack() as stack:
        complete = partial(parts["status"].wait_for, "scan_complete")
        probe = program("asking_probe", parts["pull"], parts["status_address"], 3600, 4)
        screens = stack.enter_context(probe)
        time.sleep(10.0)
        sending = sender(parts["slices"], foil, scans)
        stack.enter_context(sending)
        complete(last := BLOCK - 1)
        for turn in range(rounds):
            for asked in (True, False) if turn % 2 else (False, True):
                screens.send_signal(SIGCONT if asked else SIGSTOP)
                begin = complete(last + 1)
                last += BLOCK
                took[asked].append(complete(last) - begin)
        screens.send_signal(SIGCONT)
    return [without / asked for without, asked in zip(took[False], took[True], strict=True)]


def _rate_painting(foil: Foil, screens: int) -> float:
    """MB/s of the engine while so many screens paint beside it."""
    scans = 12 if foil.side > 1000 else 4
    with ExitStack() as stack:
        parts = stack.enter_context(live(foil))
        for _ in range(screens):
            probe = program("screen_probe", parts["pull"], parts["status_address"], 600)
            stack.enter_context(probe)
        # until all of them have drawn their first map and are at rest; as long without
        time.sleep(20.0)
        sending = sender(parts["slices"], foil, scans)
        stack.enter_context(sending)
        begin = parts["status"].wait_for("scan_started", 0)
        end = parts["status"].wait_for("scan_complete", scans - 1)
        return scans * foil.slices * foil.side**2 * 2 / 1e6 / (end - begin)


def _words(felt: dict[str, float]) -> str:
    return (
        f"event loop {felt['median_ms']} ms median, {felt['p99_ms']} ms P99, "
        f"{felt['worst_ms']} ms worst, {felt['over_50_ms']} times over 50 ms in {felt['turns']}; "
        f"at work {felt['own_p99_ms']} ms P99, {felt['own_worst_ms']} ms worst, "
        f"{felt['own_over_50_ms']} times over 50 ms"
    )
