"""Where this program's own files are, and how it is started again as another process."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SHARED = "share/pitwatch"
"""Below the environment's data folder; see `data-files` in pyproject.toml."""


def command(*arguments: str) -> list[str]:
    """The command line that starts pitwatch with these arguments, in this environment."""
    return [sys.executable, *_start(), *arguments]


def _start() -> list[str]:
    # -P: a folder `monitor` where the user happens to be is not ours
    return [str(_ROOT / "launch.py")] if is_checkout() else ["-P", "-m", "monitor.cli"]


def is_checkout() -> bool:
    """Whether the code runs from its source folder, not from an installed package."""
    return (_ROOT / "launch.py").is_file() and (_ROOT / "pyproject.toml").is_file()


def shared_folder(name: str) -> Path:
    """The folder `config` or `docs` that came with this program; it does not exist if the package
    was installed without it."""
    if is_checkout():
        return _ROOT / name
    wanted = f"{_SHARED}/{name}/"
    for file in importlib.metadata.files("pitwatch") or ():
        _, found, below = file.as_posix().partition(wanted)
        if found:
            return Path(str(file.locate())).resolve().parents[below.count("/")]
    return Path(sys.prefix) / _SHARED / name
