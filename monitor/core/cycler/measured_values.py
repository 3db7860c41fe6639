"""What a data key of a document says: a number, nothing measured, or something that is neither."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

MOST_NESTED = 8


def number(value: Any) -> float:
    """The number in a value; NaN for null and NaN, "not measured". An array or a list of one
    element is its element. Raises ValueError for text, infinity, true, several values and the like.
    """
    if type(value) is float and not math.isinf(value):  # nearly all of them
        return value
    for _ in range(MOST_NESTED):
        if isinstance(value, np.ndarray | np.generic) and value.size == 1:
            value = value.item()
        elif isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        else:
            break
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        raise ValueError
    try:
        found = float(value)
    except OverflowError:
        raise ValueError from None
    if math.isinf(found):
        raise ValueError
    return found
