"""How the loops over pixels are compiled that share their rows between threads."""

from __future__ import annotations

from typing import Any

from numba import njit

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
