"""`python -m tests.studies.hostile_clients [--seconds S] [--clients N] [--every-s S] [--keys]
[--kinds KIND,…]`: hostile clients for some minutes, while scans come. Exits with 1 if a slice is
not recorded, or if a screen that looks waits longer than a second at the median."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.studies.hostile_clients.crowd import KINDS
from tests.studies.hostile_clients.study import study


def main() -> int:
    """Run it in a folder that goes away, and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.studies.hostile_clients", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--every-s", type=float, default=60.0, help="a scan every so often")
    parser.add_argument("--side", type=int, default=512, help="of the maps, pixels")
    parser.add_argument("--keys", action="store_true", help="as many again with a viewer's key")
    parser.add_argument(
        "--kinds", default=",".join(KINDS), help="of the clients; --clients 0: none"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pitwatch-hostile-") as folder:
        figures = study(
            Path(folder),
            seconds=given.seconds,
            clients=given.clients,
            every_s=given.every_s,
            side=given.side,
            with_keys=given.keys,
            kinds=given.kinds.split(","),
        )
    print(figures)
    return int(bool(figures.lacking) or median(figures.answers_s) > 1.0)


if __name__ == "__main__":
    sys.exit(main())
