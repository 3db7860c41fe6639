"""Several programs of ours joined to one: the demo, and engine + screen on real feeds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from rich.progress import TimeElapsedColumn

from monitor.cli.output import Messages, progress_of
from monitor.errors import EngineUnreachable, PitwatchError
from monitor.gui.wording.starting import starting
from monitor.number_text import counted
from monitor.plain_text import visible
from monitor.processes import Children, free_addresses, is_free
from monitor.settings import Settings, as_table
from monitor.watch import Watcher
from monitor.wire.results.cells import Cell
from monitor.wire.results.state import State

START_S = 600.0
SETTLE_S = 600.0
BEHIND = 5
"""Engine and window are ready first, then the simulators, which have nothing to do before."""
QUIET_S = 2.0
ADDRESSES = (
    ("simulator", "slices"),
    ("simulator", "resend"),
    ("simulator", "requests"),
    ("simulator", "documents_in"),
    ("simulator", "documents_out"),
    ("results", "status"),
    ("results", "pull"),
)

Screen = Callable[[str, str], int]


def until_closed(screen: Screen, pull: str, status: str) -> None:
    """Shows the engine at these addresses. Raises PitwatchError if the screen ends by an error."""
    if code := screen(pull, status):
        raise PitwatchError(f"the screen ended with code {code}")


def on_free_addresses(settings: Settings) -> Settings:
    """The settings as they are where all addresses are free, otherwise with others that are."""
    table = as_table(settings)
    if not all(is_free(table[section][key]) for section, key in ADDRESSES):
        found = free_addresses(len(ADDRESSES))
        for (section, key), address in zip(ADDRESSES, found, strict=True):
            table[section][key] = address
    table["feeds"]["slices"] = [table["simulator"]["slices"]]
    table["feeds"]["documents"] = [table["simulator"]["documents_out"]]
    table["feeds"]["resend"] = [table["simulator"]["resend"]]
    table["requests"]["endpoint"] = table["simulator"]["requests"]
    return Settings.model_validate(table)


def run_demo(settings: Settings, screen: Screen | None) -> Path:
    """Simulators and engine, with `screen` in this process; without one, until all scans are done.

    Returns the folder of the recording. Raises PitwatchError if a part of it failed.
    """
    children = Children()
    start = partial(children.start, quiet=True, bound=True)
    with tempfile.TemporaryDirectory(prefix="pitwatch-") as folder:
        config = Path(folder) / "demo.toml"
        config.write_bytes(tomli_w.dumps(as_table(settings)).encode())
        try:
            start("engine", ["engine", "--new", "--config", str(config)])
            # at the first start on a machine the engine compiles its kernels: it is waited for
            simulate = ["simulate", "--config", str(config), "--engine", settings.results.pull]
            start("simulator", simulate, nice=BEHIND)
            if screen is not None:
                until_closed(screen, settings.results.pull, settings.results.status)
                recording = _recording(settings, children)
            else:
                recording = _follow(settings, children)
            children.stop("simulator")
            _finish(children)
        except EngineUnreachable:
            if not children.alive("engine"):
                _finish(children)
            raise
        finally:
            children.stop_all()
    return recording


def run_monitor(settings: Settings, config: Path, screen: Screen) -> None:
    """Engine on the feeds of `config`, and `screen` in this process."""
    children = Children()
    try:
        children.start("engine", ["engine", "--config", str(config)])
        try:
            until_closed(screen, settings.results.pull, settings.results.status)
        except BaseException:  # nobody has closed the window: the recording is not over
            children.stop("engine", wanted=False)
            raise
        _finish(children)
    finally:
        children.stop_all()


def _finish(children: Children) -> None:
    code = children.stop("engine")
    if code:
        raise PitwatchError(f"the engine ended with code {code}; see its output above")


def _recording(settings: Settings, children: Children) -> Path:
    watcher = Watcher(settings.results.pull)
    try:
        alive = partial(children.alive, "engine")
        state = watcher.until(lambda state: bool(state["recorder"]), START_S, alive)
    finally:
        watcher.close()
    return Path(state["recorder"]["folder"])


def _follow(settings: Settings, children: Children) -> Path:
    """Show how far the scans are until the simulator has sent all and the engine has done all."""
    watcher = Watcher(settings.results.pull)
    folder = ""

    def started(state: State) -> bool:
        for name, bar in bars.items():
            text = starting(state).replace("\n", ", ")
            progress.update(bar, description=visible(f"cell {name}: {text}"))
        return bool(state["feeds"])

    def moved(state: State) -> bool:
        nonlocal folder
        for name, cell in state["cells"].items():
            progress.update(bars[name], **_bar(cell))
        # an engine of somebody else may have taken the address meanwhile: then ours ends
        folder = state["recorder"].get("folder", folder)
        return not children.alive("simulator")

    try:
        with progress_of(Messages(stderr=True), TimeElapsedColumn()) as progress:
            bars = {
                cell.name: progress.add_task(
                    f"cell {cell.name}: The engine is starting", total=None
                )
                for cell in settings.cells
            }

            def alive() -> bool:
                return children.alive("engine")

            watcher.until(started, START_S, alive)
            watcher.until(moved, 24 * 3600.0, alive)
            if children.wait("simulator"):
                raise PitwatchError("the simulators failed; see their output above")
            watcher.until(_Idle(), SETTLE_S, alive)
        return Path(folder)
    finally:
        watcher.close()


def _bar(cell: Cell) -> dict[str, Any]:
    done = [scan for scan in cell["scans"] if not scan["provisional"]]
    running = cell["running"]
    if running:
        text = f"scan {running['scan']} ({running['reason']})"
        position = {"completed": running["received"], "total": running["slices"]}
    else:
        text, position = "between scans", {"completed": 0, "total": 1}
    pits = done[-1].get("pit_count") if done else None
    text += f", {len(done)} done, {counted(pits or 0, 'pit')}"
    return {"description": visible(text), **position}


class _Idle:
    """True once no scan runs and no slice has come for a while."""

    def __init__(self) -> None:
        self._messages = -1
        self._since = 0.0

    def __call__(self, state: State) -> bool:
        messages = state["feeds"]["slices"]["messages"]
        running = any(cell["running"] for cell in state["cells"].values())
        if running or messages != self._messages:
            self._messages, self._since = messages, time.monotonic()
        return time.monotonic() - self._since > QUIET_S
