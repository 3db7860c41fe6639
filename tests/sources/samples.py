"""Real files made by others, read in place; tests that need them skip where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def sample(name: str) -> Path:
    """The sample file `name` under PITWATCH_SAMPLES; skips the test where it is not there."""
    folder = os.environ.get("PITWATCH_SAMPLES")
    if not folder:
        pytest.skip("PITWATCH_SAMPLES is not set: no real files to read")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"PITWATCH_SAMPLES has no {name}")
    return path
