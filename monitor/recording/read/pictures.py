"""The pictures of grain boundaries that a recording holds: copies of those that the settings named.

A recording is read on other machines and by other people: the path that its settings name leads to
another file there, or to one that whoever sent it would like to be read.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from monitor.errors import RecordingError
from monitor.recording import files
from monitor.settings import CellSettings, Settings

NAME = "grain_boundaries"
ENDINGS = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
MAX_BYTES = 2**28


def keep(settings: Settings, folder: Path) -> None:
    """Copies the pictures that the settings name into a new recording. One that cannot be read, or
    is larger than any picture, is left out: when it is asked for, that is said."""
    for cell in settings.cells:
        if cell.boundaries is None:
            continue
        source = Path(cell.boundaries.image)
        with contextlib.suppress(OSError, RecordingError):
            with files.opened(source, source.parent.parent) as file:
                if os.fstat(file.fileno()).st_size > MAX_BYTES:
                    continue
                content = file.read(MAX_BYTES)
            files.write(_place(folder, cell.name, source), folder, content)


def of_recording(settings: Settings, folder: Path) -> Settings:
    """The settings with the pictures of the recording instead of those that they name."""
    return settings.model_copy(
        update={"cells": tuple(_with_own(cell, folder) for cell in settings.cells)}
    )


def _with_own(cell: CellSettings, folder: Path) -> CellSettings:
    if cell.boundaries is None:
        return cell
    image = str(_place(folder, cell.name, Path(cell.boundaries.image)))
    own = cell.boundaries.model_copy(update={"image": image})
    return cell.model_copy(update={"boundaries": own})


def _place(folder: Path, cell: str, source: Path) -> Path:
    ending = source.suffix.lower()
    return folder / cell / f"{NAME}{ending if ending in ENDINGS else '.picture'}"
