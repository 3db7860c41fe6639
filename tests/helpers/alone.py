"""Test files that run in namespaces of their own: another network, other disks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run_alone(unshare: Sequence[str], tests: Path) -> None:
    """Runs all tests of a file there. Raises AssertionError where one fails or is skipped."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [*unshare, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=540,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
