"""What this machine has, and what to install."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table
from rich.text import Text

from monitor import control, reprocess
from monitor.cli.output import Messages
from monitor.processes import has_display, is_free
from monitor.settings import Settings
from monitor.sources import bliss
from monitor.sources.formats import Software

NEEDED = (
    "numpy", "numba", "scipy", "h5py", "hdf5plugin", "zmq", "msgpack", "msgpack_numpy",
    "dectris.compression", "pydantic", "bluesky", "ophyd", "tifffile", "matplotlib", "PySide6",
    "pyqtgraph",
)  # fmt: skip
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
}
WINDOW_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
LEAST_MEMORY_GB = 4.0
LEAST_DISK_GB = 20.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is in order, what was seen, what to do if it is not."""

    what: str
    ok: bool
    seen: str
    todo: str = ""
    needed: bool = True


def examine(console: Messages) -> int:
    """Print one line, ready or what to do, then all findings; 1 if something needed is missing."""
    findings = list(look())
    missing = [finding for finding in findings if finding.needed and not finding.ok]
    console.print(_verdict(missing), soft_wrap=True)
    table = Table(box=None)
    for heading in ("", "what", "seen", "what to do"):
        table.add_column(heading)
    for finding in findings:
        absent = Text("missing", "red") if finding.needed else Text("–")
        sign = Text("ok", "green") if finding.ok else absent
        table.add_row(sign, finding.what, finding.seen, "" if finding.ok else finding.todo)
    console.print(table)
    return int(bool(missing))


def _verdict(missing: list[Finding]) -> Text:
    if not missing:
        return Text("ready", "bold green")
    todo = "; ".join(dict.fromkeys(finding.todo for finding in missing))
    names = ", ".join(finding.what for finding in missing)
    return Text(f"not ready: {names} missing; {todo}", "bold red")


def look() -> Iterator[Finding]:
    """Everything that pitwatch needs of a machine, one by one."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("Python", sys.version_info >= (3, 11), python, "install Python 3.11 or newer")
    for name in NEEDED:
        yield _module(name, "pip install .", needed=True)
    for software in {one.module: one for one in _optional()}.values():
        yield _reader(software)
    if sys.platform.startswith("linux"):
        for library, package in QT_LIBRARIES.items():
            yield _library(library, package, needed=True)
        for library, package in WINDOW_LIBRARIES.items():
            yield _library(library, package, needed=has_display())
    seen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "none"
    todo = "without a display, `demo` and `replay` run headless"
    yield Finding("display", has_display(), seen, todo, needed=False)
    yield _memory()
    free = shutil.disk_usage(".").free / 1e9
    todo = "recorded slices need space: set experiment.data_dir to a larger disk"
    yield Finding("disk here", free >= LEAST_DISK_GB, f"{free:.0f} GB free", todo, needed=False)
    for name, address in Settings().results:
        if isinstance(address, str):
            todo = f"another program listens there; set results.{name} to another port"
            yield Finding(f"results.{name}", is_free(address), address, todo, needed=False)


def _module(name: str, todo: str, *, needed: bool) -> Finding:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken install fails in many ways; each is a finding
        return Finding(name, False, str(error).splitlines()[0][:60], todo, needed)
    return Finding(name, True, str(getattr(module, "__version__", "there")))


def _optional() -> Iterator[Software]:
    """What `reprocess`, `ioc`, `publish-bliss`, and some of the formats that can be read or
    written, need; of the formats nothing if their modules cannot be loaded."""
    yield reprocess.SOFTWARE
    yield control.EPICS
    yield control.TILED
    yield bliss.SOFTWARE
    with suppress(ImportError):
        from monitor.export.run import EXPORTERS
        from monitor.sources.cyclers import readers as cyclers
        from monitor.sources.volumes import readers as volumes

        for reader in (*cyclers.READERS, *volumes.READERS):
            if reader.FORMAT.software is not None:
                yield reader.FORMAT.software
        yield from filter(None, (exporter.SOFTWARE for exporter in EXPORTERS.values()))


def _reader(software: Software) -> Finding:
    todo = f"only for {software.files}: pip install 'pitwatch[{software.extra}]'"
    found = _module(software.module, todo, needed=False)
    if not found.ok or not software.distribution:
        return found
    try:
        seen = version(software.distribution)
    except PackageNotFoundError:
        todo = f"reads no {software.else_lacking}: pip uninstall {software.module}, then {todo}"
        seen = f"not that of {software.distribution}"
        return Finding(software.module, False, seen, todo, needed=False)
    enough = tuple(map(int, seen.split(".")[:2])) >= tuple(map(int, software.least.split(".")))
    return Finding(software.module, enough, f"{software.distribution} {seen}", todo, needed=False)


def _library(name: str, package: str, *, needed: bool) -> Finding:
    try:
        ctypes.CDLL(name)
    except OSError:
        return Finding(name, False, "not found", f"apt-get install {package}", needed)
    return Finding(name, True, "there")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    seen = f"{total:.0f} GB: {Settings().feeds.what_fits}"
    todo = "large volumes need more; lower feeds.reorder_memory_MB and results.memory_MB"
    return Finding("memory", total >= LEAST_MEMORY_GB, seen, todo, needed=False)
