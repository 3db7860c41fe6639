"""The pits on a relief: their rims in 2-D, or their age as a colour. Pure functions, no Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.gui.state.snapshot import Answer, Choice, relatives
from monitor.gui.views.map.overlay import colours_of
from monitor.gui.views.relief.shading import Array, Colours, thin
from monitor.wire.results.headers import Columns


def outline(colours: Colours, labels: Answer, columns: Columns, choice: Choice) -> None:
    """Puts the rims of pits over the `colours`."""
    if labels.rims is None:
        return
    rims = _of_interest(labels.rims, columns, choice.pit, choice.outlines)
    over = colours_of(rims, columns, labels.header["scan"], choice.pit)
    np.copyto(colours[..., :3], over[..., :3], where=over[..., 3:] > 0)


def tint(
    colours: Colours,
    labels: Answer,
    columns: Columns,
    chosen: int | None,
    light: Array,
    every: bool,
) -> None:
    """Gives pits the colour of their age, in the `light` that falls on them."""
    assert labels.array is not None
    pits = _of_interest(labels.array, columns, chosen, every)
    over = colours_of(pits, columns, labels.header["scan"], chosen)
    lit = (over[..., :3] * light[..., None]).astype(np.uint8)
    np.copyto(colours[..., :3], lit, where=over[..., 3:] > 0)


def _of_interest(
    labels: NDArray[np.int32], columns: Columns, chosen: int | None, every: bool
) -> NDArray[np.int32]:
    """Pit numbers on the points that are drawn: of all, or of the chosen pit and its relatives."""
    skip = thin(labels)
    labels = labels[::skip, ::skip]
    if every:
        return labels
    return np.where(np.isin(labels, [chosen or 0, *relatives(columns, chosen)]), labels, 0)
