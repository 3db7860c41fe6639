"""`python -m tests.studies.campaign [--cells N] [--scans M]`: 50 cells, and 1,000 pit-free
scans."""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console

from monitor.settings import OnsetSettings
from tests.studies.campaign.cells import drawn, measured
from tests.studies.campaign.judge import Tally, judged

FIRST_SEED = 3000


def main() -> None:
    """Measure the cells, one after the other, and print what became of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.campaign", description=__doc__)
    parser.add_argument("--cells", type=int, default=50, help="half of them pit")
    parser.add_argument("--scans", type=int, default=1000, help="of pit-free cells")
    chosen = parser.parse_args()
    limits, tally, say = OnsetSettings(), Tally(), Console(highlight=False).print
    for k in range(chosen.cells):
        kind = drawn(FIRST_SEED + k, pitting=k % 2 == 0)
        tally.add(judged(kind, measured(kind, limits), limits))
    say(f"{tally.cells} cells: onset called in the right scan in {tally.called_in_time}")
    for line in tally.late:
        say("    " + line)
    say(f"requests {tally.requests}, beyond the budget {tally.over_budget}")
    say(_share("depth of the deepest pit at the next scan", tally.next_depth))
    say(_share("time until a pit is 1.15 and 1.4 times as deep", tally.arrivals))
    seed = FIRST_SEED + chosen.cells
    while tally.pit_free_scans < chosen.scans:
        kind = drawn(seed, pitting=False)
        tally.add(judged(kind, measured(kind, limits), limits))
        seed += 1
    say(f"{tally.pit_free_scans} scans of pit-free cells: {tally.false_requests} false requests")


def _share(what: str, inside: list[bool]) -> str:
    return f"{what}: {100 * np.mean(inside):.1f} % of {len(inside)} intervals (90 %) hold the truth"


if __name__ == "__main__":
    main()
