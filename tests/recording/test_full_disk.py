"""Disks that are full, each mounted for it in a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL_DISKS = Path(__file__).with_name("small_disks.py")
MOUNTS = ["unshare", "--map-root-user", "--mount"]


def problem(folder: Path) -> str:
    """Why nothing can be mounted here; "" where it can."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return "unshare and mount (util-linux, mount) are needed"
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    tried = subprocess.run([*MOUNTS, *mount], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else ""


@pytest.mark.timeout(600)
def test_on_small_disks(tmp_path: Path) -> None:
    why = problem(tmp_path)
    if why:
        pytest.skip(f"no disk can be mounted here: {why}")
    root = SMALL_DISKS.parents[2]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SMALL_DISKS)]
    done = subprocess.run(
        [*MOUNTS, *run],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=540,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
