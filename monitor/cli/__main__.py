"""`pitwatch`, `python -m monitor.cli` and `python launch.py`: the command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that was given, and end with its exit code."""
    # numba has threads of its own: BLAS and OpenMP must not add theirs
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from monitor.cli.command_line import run

    sys.exit(run())


if __name__ == "__main__":
    main()
