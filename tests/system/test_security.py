"""An engine that others could reach, in a network of its own: who gets in, and who does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.alone import run_alone

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
    run_alone(NETWORK, STRANGERS)
