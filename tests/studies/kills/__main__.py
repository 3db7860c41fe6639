"""`python -m tests.studies.kills [--kills N] [--scans N] [--scan-s S] [--seed N]`: a run without
kills and one with them, compared bit for bit. Exits with 1 where anything differs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.studies.kills.run import differences, run, run_with_killed_producer


def main() -> int:
    """Run twice and compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--scans", type=int, default=12)
    parser.add_argument("--scan-s", type=float, default=24.0)
    parser.add_argument("--every-s", type=float, default=2.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--producer", action="store_true", help="kill producer and screen instead")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pitwatch-kills-") as folder:
        begin = time.monotonic()
        whole = run(Path(folder) / "whole", scans=chosen.scans, scan_s=0.8, kills=0)
        print(f"unbroken: {time.monotonic() - begin:.0f} s", flush=True)
        begin = time.monotonic()
        how: dict[str, Any] = {
            name: getattr(chosen, name) for name in ("scans", "scan_s", "kills", "seed", "every_s")
        }
        if chosen.producer:
            broken = run_with_killed_producer(Path(folder) / "broken", **how)
        else:
            broken = run(Path(folder) / "broken", **how, say=lambda t: print(t, flush=True))
        print(f"killed {chosen.kills} times: {time.monotonic() - begin:.0f} s", flush=True)
        found = differences(whole, broken, chosen.scans)
    for text in found:
        print(text)
    print("the recordings are the same, bit for bit" if not found else f"{len(found)} differences")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
