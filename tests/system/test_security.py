"""An engine that others could reach, in a network of its own: who gets in, and who does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STRANGERS = Path(__file__).with_name("strangers.py")
NETWORK = ["unshare", "--map-root-user", "--net"]


def problem() -> str:
    """Why no network can be made here; "" where one can."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare and ip (util-linux, iproute2) are needed"
    tried = subprocess.run(
        [*NETWORK, "sh", "-c", "ip link set lo up && ip addr add 10.9.8.7/32 dev lo"],
        capture_output=True,
        text=True,
    )
    return tried.stderr.strip() if tried.returncode else ""


@pytest.mark.timeout(600)
def test_from_another_address() -> None:
    why = problem()
    if why:
        pytest.skip(f"no network of its own can be made here: {why}")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(STRANGERS)]
    root = STRANGERS.parents[2]
    done = subprocess.run(
        [*NETWORK, *run],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=540,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
