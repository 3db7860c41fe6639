"""Takes as much of a core as screens elsewhere take of another machine's, and asks nothing.

`python -m tests.benchmarks.burden_probe PULL STATUS SECONDS SHARE`: what `asking_probe` is compared
with, as it runs on the engine's own cores. It wakes as often.
"""

from __future__ import annotations

import sys
import time

from tests.benchmarks.asking_probe import SLEEP_MS


def main() -> None:
    """Work for a `SHARE` of each turn until the time is over, or this is terminated."""
    _, _, seconds, share = sys.argv[1:]
    each = float(share) * SLEEP_MS / 1000
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        begin = time.thread_time()
        while time.thread_time() - begin < each:
            pass
        time.sleep(SLEEP_MS / 1000)


if __name__ == "__main__":
    main()
