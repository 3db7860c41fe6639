"""How the loops over pixels are compiled that share their rows between threads, and how many
threads they have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba import config, get_num_threads, njit, set_num_threads

AUTOMATIC = (
    "comprehension",
    "reduction",
    "inplace_binop",
    "setitem",
    "numpy",
    "stencil",
    "fusion",
)
"""What numba would make parallel of its own accord: each expression on arrays, also on three
numbers within a loop. Starting the threads costs some microseconds, and milliseconds if another
program has the core."""


def parallel(**options: object) -> Any:
    """A compiler of kernels whose `prange` is parallel, and nothing else; `options` of numba."""
    return njit(nogil=True, cache=True, parallel=dict.fromkeys(AUTOMATIC, False), **options)


@contextmanager
def all_cores() -> Iterator[None]:
    """Kernels that are called within have every core, also in a thread that leaves one to others:
    for what follows the last slice, when there is nothing to receive and somebody waits."""
    threads = get_num_threads()
    set_num_threads(config.NUMBA_NUM_THREADS)
    try:
        yield
    finally:
        set_num_threads(threads)
