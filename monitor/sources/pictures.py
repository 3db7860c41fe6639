"""Pictures of grain boundaries, from SEM or EBSD."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from monitor.errors import SettingError
from monitor.recording import files
from monitor.sources.volumes.tiff import HEADS as TIFF_HEADS

MOST_DRAWN = 0.5
"""Where more than this share of a picture is boundary, bright and dark are mixed up."""
PLAIN_MODES = ("1", "L", "LA", "RGB", "RGBA", "I", "I;16", "F")
FORMATS = ("PNG", "JPEG", "BMP")
"""What is read beside TIFF, whatever a file is called. Of the others some start programs."""
MOST_PIXELS = 2**26


def read_picture(path: Path, lines: str) -> NDArray[np.bool_]:
    """(rows, columns), true on a boundary: brighter (or darker) than the middle of its greys.

    PNG, TIFF, JPEG or BMP, grey or in colours; a regular file, and no link, as in a recording that
    anybody may have made. Raises SettingError if it cannot be a picture of boundaries.
    """
    expected = "a PNG or TIFF picture of grain boundaries"
    try:
        with files.opened(path, path.parent.parent) as file:
            picture = _pixels(file)
    except Exception as error:  # decoders raise whatever they like
        why = f"check the path ({type(error).__name__}: {' '.join(str(error).split())})"
        raise SettingError("boundaries.image", got=str(path), expected=expected, todo=why) from None
    if picture.ndim == 3 and picture.shape[2] in (2, 3, 4):
        picture = picture[..., : 1 if picture.shape[2] == 2 else 3].mean(axis=2, dtype=np.float32)
    if picture.ndim != 2 or not picture.size or not np.isfinite(picture).all():
        shape = f"{path} of shape {picture.shape}"
        todo = "save it as one greyscale picture"
        raise SettingError("boundaries.image", got=shape, expected=expected, todo=todo)
    middle = 0.5 * (float(picture.min()) + float(picture.max()))
    drawn: NDArray[np.bool_] = picture > middle if lines == "bright" else picture < middle
    share = float(drawn.mean())
    if not 0.0 < share <= MOST_DRAWN:
        raise SettingError(
            "boundaries.lines",
            got=lines,
            expected=f"the minority of the picture, not {100 * share:.0f} % of it",
            todo='use "dark" for dark lines on a bright ground, "bright" for the reverse',
        )
    return drawn


def _pixels(file: BinaryIO) -> NDArray[Any]:
    """Grey values or colours; those that are in a palette are looked up. Memory is taken once the
    picture has said how large it is."""
    head = file.read(4)
    file.seek(0)
    if head in TIFF_HEADS:
        with tifffile.TiffFile(file) as tiff:
            # page by page: series may name other files
            page = tiff.pages.first
            _check(page.shape)
            if len(tiff.pages) > 1 and tiff.pages[1].shape == page.shape:
                raise ValueError(f"a stack of {len(tiff.pages)} pictures")
            return np.asarray(page.asarray())
    with Image.open(file, formats=FORMATS) as picture:
        _check(picture.size)
        return np.asarray(picture if picture.mode in PLAIN_MODES else picture.convert("RGB"))


def _check(shape: tuple[int, ...]) -> None:
    if math.prod(shape[:2]) > MOST_PIXELS:
        raise ValueError(f"{math.prod(shape[:2]) / 1e6:.0f} Mpx, at most {MOST_PIXELS / 1e6:.0f}")
