"""Reads an EC-Lab binary file in a process of its own, which `mpr.py` starts with `python -m`.

Its reader, galvani (of the distribution datalab-org-galvani), is under the GPL: it stays behind
this process boundary and is never imported by the monitor. Written to standard output is an npz
archive: `names` (n,) of the columns, `column_i` (rows,) float64 in the file's units, `started`:
local start time in ISO form, or ''.
"""

from __future__ import annotations

import io
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

MISSING_EXIT = 3


def main(path: str) -> int:
    """Writes the columns of the file at `path`; 3 if galvani is not installed."""
    try:
        from galvani.BioLogic import MPRfile
    except ImportError as error:
        print(error, file=sys.stderr)
        return MISSING_EXIT
    with open(path, "rb") as file:  # noqa: PTH123 - galvani wants a file object
        try:
            mpr = MPRfile(file)
        except Exception as error:
            print(" ".join(f"{type(error).__name__}: {error}{_older()}".split()), file=sys.stderr)
            return 1
    sys.stdout.buffer.write(archive(mpr))
    return 0


def _older() -> str:
    """A word on the reader that lacks EC-Lab 11.50 and newer, if it is that one."""
    try:
        version("datalab-org-galvani")
    except PackageNotFoundError:
        return "; galvani is older than the files of EC-Lab 11.50: install datalab-org-galvani"
    return ""


def archive(mpr: Any) -> bytes:
    """The npz archive of a galvani `MPRfile`."""
    names = list(mpr.data.dtype.names)
    started = getattr(mpr, "timestamp", None)
    columns = {f"column_{i}": mpr.data[name].astype(float) for i, name in enumerate(names)}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(names),
        started=np.array(started.isoformat() if started else ""),
        **columns,
    )
    return buffer.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m monitor.sources.cyclers.eclab.galvani_process FILE")
    sys.exit(main(sys.argv[1]))
