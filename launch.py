"""Starts pitwatch: `python launch.py` is the demo, `python launch.py --help` lists the rest."""

import os
import sys

from monitor.cli.command_line import run

if __name__ == "__main__":
    # several threads in one process and two cores: BLAS must not add its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(run())
