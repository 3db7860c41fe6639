"""Asks an engine for all that a screen asks for, and paints nothing: a screen on another machine.

`python -m tests.benchmarks.asking_probe PULL STATUS SECONDS`.
"""

from __future__ import annotations

import sys
import time

from monitor.gui.client import Client
from monitor.gui.model import Choice
from monitor.gui.wants import Seen, wants

SEEN = Seen(("section", "trend", "pits"), (640, 640), (1024, 640))


def main() -> None:
    """Ask as the window would, ten times a second."""
    pull, status, seconds = sys.argv[1:]
    client = Client(pull, status)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        client.want(wants(client.snapshot(), Choice("A"), SEEN))
        time.sleep(0.1)
    client.close()


if __name__ == "__main__":
    main()
