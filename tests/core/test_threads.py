"""The number of threads that the loops over pixels share changes no bit of a result."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from monitor.core.session import Session
from monitor.records import ScanResult
from tests.core.experiment import experiment, settings

ROOT = Path(__file__).parents[2]


def digest() -> str:
    """Of all maps of three scans, provisional ones as well, and of their numbers."""
    told = hashlib.sha256()
    session = Session(settings())
    for record in experiment():
        for output in session.feed(record):
            if isinstance(output, ScanResult):
                for name, values in sorted(output.maps.items()):
                    told.update(name.encode() + values.tobytes())
                told.update(repr((output.pits, sorted(output.summary.items()))).encode())
    return told.hexdigest()


@pytest.mark.slow
def test_the_maps_are_the_same_bit_for_bit_with_several_threads():
    there = subprocess.run(
        [sys.executable, "-m", "tests.core.test_threads"],
        env={**os.environ, "NUMBA_NUM_THREADS": "3", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    assert there.stdout.split() == ["3", digest()]


if __name__ == "__main__":
    print(numba.get_num_threads(), digest())
