"""The numbers of a scan as they travel: put together of what its stages have found, once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol

import numpy as np

from monitor.records import LengthUnit, Scalar, Summary


class Numbers(Protocol):
    """A frozen dataclass whose fields have the names of the summary."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def summary_of(length_unit: LengthUnit, *found: Numbers | Mapping[str, Scalar] | None) -> Summary:
    """Of what each stage has `found`, None if it has not been reached. JSON-ready: no NaN, and
    lengths under `_voxel` names if the voxel size is unknown."""
    summary: dict[str, Scalar] = {}
    for numbers in found:
        for name, value in _items(numbers):
            if isinstance(value, float | np.floating):
                value = float(value) if math.isfinite(value) else None
            summary[name] = value
            if length_unit == "voxel" and name.endswith("_um"):
                summary[name.removesuffix("_um") + "_voxel"] = value
                summary[name] = None
    return summary


def _items(numbers: Numbers | Mapping[str, Scalar] | None) -> Iterator[tuple[str, Scalar]]:
    if isinstance(numbers, Mapping):
        yield from numbers.items()
    elif numbers is not None:
        for field in fields(numbers):
            yield field.name, getattr(numbers, field.name)
