"""Pictures of grain boundaries, from SEM or EBSD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from monitor.errors import SettingError

MOST_DRAWN = 0.5
"""Where more than this share of a picture is boundary, bright and dark are mixed up."""
PLAIN_MODES = ("1", "L", "LA", "RGB", "RGBA", "I", "I;16", "F")


def read_picture(path: Path, lines: str) -> NDArray[np.bool_]:
    """(rows, columns), true on a boundary: brighter (or darker) than the middle of its greys.

    PNG or TIFF, grey or in colours. Raises SettingError where it cannot be a picture of boundaries.
    """
    expected = "a PNG or TIFF picture of grain boundaries"
    try:
        is_tiff = path.suffix.lower() in (".tif", ".tiff")
        picture = np.asarray(tifffile.imread(path) if is_tiff else _opened(path), np.float64)
    except Exception as error:  # decoders raise whatever they like
        why = f"check the path ({type(error).__name__}: {error})"
        raise SettingError("boundaries.image", got=str(path), expected=expected, todo=why) from None
    if picture.ndim == 3 and picture.shape[2] in (2, 3, 4):
        picture = picture[..., : 1 if picture.shape[2] == 2 else 3].mean(axis=2)
    if picture.ndim != 2 or not picture.size or not np.isfinite(picture).all():
        shape = f"{path} of shape {picture.shape}"
        todo = "save it as one grey picture"
        raise SettingError("boundaries.image", got=shape, expected=expected, todo=todo)
    middle = 0.5 * (picture.min() + picture.max())
    drawn: NDArray[np.bool_] = picture > middle if lines == "bright" else picture < middle
    share = float(drawn.mean())
    if not 0.0 < share <= MOST_DRAWN:
        raise SettingError(
            "boundaries.lines",
            got=lines,
            expected=f"the minority of the picture, not {100 * share:.0f} % of it",
            todo='say "dark" for dark lines on a bright ground, "bright" for the reverse',
        )
    return drawn


def _opened(path: Path) -> NDArray[np.generic]:
    """Grey values or colours; those that stand in a palette are looked up."""
    with Image.open(path) as picture:
        return np.asarray(picture if picture.mode in PLAIN_MODES else picture.convert("RGB"))
