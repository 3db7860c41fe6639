"""Every colour of the screen, by what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Shade = Literal["dark", "light"]
Rgba = tuple[int, int, int, int]

WHITE, BLACK, FAINT = "#ffffff", "#000000", "#ffffff60"
"""Lines and letters on a picture; a line that hides nothing."""
SHADE, DEEP_SHADE = (0, 0, 0, 90), (0, 0, 0, 150)
"""Behind letters on a picture."""
PICTURE_GREY = "#30363e"
"""As dark as a cross-section, for the key to lines on it."""
REGION = "#7fe3ff"
OLDEST, NEWEST = (255, 196, 77), (232, 62, 62)
"""Rims of the first pits and of those born in the shown scan; the paper's Figure 5 has them so."""
CHOSEN: Rgba = (90, 240, 255, 255)
RELATED: Rgba = (178, 255, 120, 255)
GRAINS = np.array([(0, 0, 0, 90), (0, 0, 0, 0), (20, 20, 20, 200)], np.uint8)
"""Where the picture of grain boundaries does not reach (dimmed), within a grain, on a boundary."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they are for. The last four are those of lines on a picture, whatever the
    shade; `cross_on_panel` and its like are those of the same things beside one."""

    back: str
    panel: str
    field: str
    line: str
    text: str
    muted: str
    accent: str
    good: str
    warn: str
    bad: str
    count: str
    depth: str
    plateau: str
    chosen: str
    progress: str
    extra: str
    armed: str
    empty: str
    no_data: str
    cross_on_panel: str
    before_on_panel: str
    other_on_panel: str
    cross: str = "#ffd84d"
    before: str = "#5ad1e6"
    other: str = "#ff7ab8"
    bottom: str = "#b48ae0"


PALETTES: dict[Shade, Palette] = {
    "dark": Palette(
        back="#14171c",
        panel="#1b1f26",
        field="#252b34",
        line="#353d48",
        text="#dfe4ea",
        muted="#94a0ae",
        accent="#4fb3d9",
        good="#57c08a",
        warn="#e9b44c",
        bad="#f0654e",
        count="#f0a35e",
        depth="#f0654e",
        plateau="#b48ae0",
        chosen="#1f4a5c",
        progress="#2b7a99",
        extra="#23463a",
        armed="#7a4a12",
        empty="#0f1216",
        no_data="#58616e",
        cross_on_panel="#ffd84d",
        before_on_panel="#5ad1e6",
        other_on_panel="#ff7ab8",
    ),
    "light": Palette(
        back="#e6e9ed",
        panel="#f7f8fa",
        field="#ffffff",
        line="#c3cad3",
        text="#1c2530",
        muted="#586574",
        accent="#1273a3",
        good="#1d7d4c",
        warn="#9a6200",
        bad="#c0341d",
        count="#b05a08",
        depth="#c0341d",
        plateau="#7445b5",
        chosen="#cfe6f2",
        progress="#8cc6e0",
        extra="#d5eee0",
        armed="#ffdca3",
        empty="#d5dae0",
        no_data="#aab3bd",
        cross_on_panel="#a87c00",
        before_on_panel="#0b7f95",
        other_on_panel="#c2257a",
    ),
}
