"""Settings of folders that a reconstruction fills with volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from monitor.settings.cells import CELL_NAME
from monitor.settings.section import NotNegative, Positive, Section


class FolderRules(Section):
    """How files become scans; each key is an option of `publish-folder` too."""

    pattern: Annotated[str, Field(min_length=1)] = "*"
    """Names of the volumes that are sent, such as `rec_*`: it tells cells in one folder apart."""
    slices: Annotated[int, Field(gt=0, strict=True)] | None = None
    """Slices of each volume; without it, as the files say, or as the first volume had."""
    first_slice: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Number in the name of a volume's first file, if not 0 or 1."""
    voxel_um: Positive | None = None
    """Voxel size; without it, that of the files."""
    duration_s: NotNegative = 0.0
    """Time that a scan takes, if the files do not contain its times."""
    delay_s: NotNegative = 0.0
    """Time from the end of a scan to its first file, if the files do not contain its times."""
    quiet_s: Positive = 300.0
    """Time without a change after which a volume has ended, or stalled."""
    poll_s: Positive = 1.0
    """Time between two looks into the folders."""
    keep_blank: Annotated[bool, Field(strict=True)] = False
    """Whether slices of a single value are sent too: they are padding, not missing."""


class FolderSettings(FolderRules):
    """Folders that a reconstruction fills with volumes of one cell. The engine starts a
    `publish-folder` for each of these sections, and starts it again if it ends."""

    cell: Annotated[str, Field(pattern=CELL_NAME)]
    """Name of the cell whose volumes are in the folders."""
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """The folders; those that do not exist yet are waited for. A relative path starts in the folder
    of the settings' file."""
    state: Path | None = None
    """File that keeps what was sent; without it, `.pitwatch_CELL.json` in the first folder."""
    endpoint: str = ""
    """Address of this machine at which the slices are published; empty: a free one. It need not be
    in `slices`."""
    resend: str = ""
    """Address of this machine that resends lost slices on request; empty: none."""


def option(key: str) -> str:
    """The option of `publish-folder` for this key: `--delay` for `delay_s`."""
    return "--" + key.removesuffix("_s").replace("_", "-")


def options(folders: FolderSettings) -> list[str]:
    """Arguments of `publish-folder` for these folders."""
    words = [str(path) for path in folders.paths]
    for key, value in folders:
        if key == "paths" or value is None or value is False or value == "":
            continue
        words += [option(key)] if value is True else [f"{option(key)}={value}"]
    return words
