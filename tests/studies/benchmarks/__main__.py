"""`python -m tests.studies.benchmarks [a b c d e f] [--quick]`: print figures of speed, delay and
memory."""

from __future__ import annotations

import argparse

from rich.console import Console

from tests.studies.benchmarks import (
    kernels,
    latency,
    measure,
    memory,
    reprocess,
    screen,
    throughput,
)

PARTS = {
    "a": kernels.run,
    "b": throughput.run,
    "c": latency.run,
    "d": memory.run,
    "e": screen.run,
    "f": reprocess.run,
}


def main() -> None:
    """Run the parts asked for, in order. Figures only: nothing passes or fails here."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="a to f; default: all")
    parser.add_argument("--quick", action="store_true", help="small, within two minutes")
    parser.add_argument("--paper", action="store_true", help="c: 8368 × 8368 × 907 alone, an hour")
    parser.add_argument("--record", action="store_true", help="c: slices are recorded")
    chosen = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(measure.machine())
    for name in chosen.parts or PARTS:
        if name == "c":
            latency.run(console.print, quick=chosen.quick, paper=chosen.paper, record=chosen.record)
        else:
            PARTS[name](console.print, quick=chosen.quick)


if __name__ == "__main__":
    main()
