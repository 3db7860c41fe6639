"""The number of threads that the loops over pixels share changes no bit of a result."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from monitor.core.arrival.measurement import SliceMeasurement
from monitor.core.parallel import all_cores
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


@pytest.fixture
def one_thread():
    """This thread leaves all cores but one to others, as the engine's does on two."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


def test_all_cores_are_used_for_a_while(one_thread):
    with pytest.raises(ZeroDivisionError), all_cores():
        assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
        raise ZeroDivisionError
    assert numba.get_num_threads() == 1


def test_a_scan_is_taken_in_on_some_cores_and_concluded_on_all(one_thread):
    seen = []

    class Watched(SliceMeasurement):
        def take(self, frame):
            seen.append(("take", numba.get_num_threads()))
            super().take(frame)

        def early(self):
            seen.append(("early", numba.get_num_threads()))
            return super().early()

        def finish(self):
            seen.append(("finish", numba.get_num_threads()))
            return super().finish()

    session = Session(settings(), Watched)
    for record in experiment():
        session.feed(record)
    every = numba.config.NUMBA_NUM_THREADS
    assert (
        {("take", 1), ("finish", every)}
        <= set(seen)
        <= {("take", 1), ("early", every), ("finish", every)}
    )


if __name__ == "__main__":
    print(numba.get_num_threads(), digest())
