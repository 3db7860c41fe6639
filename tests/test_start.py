"""The start of the demo: all parts at once, the window first, and what it says meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import demo
from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.state import Store
from monitor.errors import PitwatchError
from monitor.gui.wording.starting import starting
from monitor.records.state import Feeds
from monitor.settings import Settings
from monitor.wire.results.state import Kernels, State
from simulators.run import _takes_messages

ROOT = Path(__file__).parents[1]
NOT_FOR_THE_SCREEN = {
    "bluesky", "dask", "distributed", "h5py", "hdf5plugin", "llvmlite", "matplotlib", "numba",
    "ophyd", "scipy", "skimage", "tifffile",
}  # fmt: skip
SCREEN = """
import sys
import monitor.cli.command_line, monitor.cli.demo, monitor.gui.main_window, simulators.scenarios
print(*{name.partition(".")[0] for name in sys.modules})
"""


def printed(code: str) -> str:
    """Of a Python of its own."""
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)


def test_the_process_of_the_window_loads_what_the_window_needs() -> None:
    loaded = set(printed(SCREEN).split())
    assert {"PySide6", "pyqtgraph", "zmq"} <= loaded
    assert loaded & NOT_FOR_THE_SCREEN == set()


def test_the_window_opens_while_engine_and_simulators_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    class Children:
        def start(self, name: str, arguments: Sequence[str], **_: object) -> None:
            done.append(name)
            if name == "simulator":  # begins when the engine is ready, which nobody else waits for
                assert list(arguments[-2:]) == ["--engine", Settings().results.pull]

        def stop_all(self) -> None:
            done.append("all ended")

    def screen(*_: str) -> int:
        done.append("window")
        return 1

    monkeypatch.setattr(demo, "Children", Children)
    with pytest.raises(PitwatchError, match="the screen ended with code 1"):
        demo.run_demo(Settings(), screen)
    assert done == ["engine", "simulator", "window", "all ended"]


def test_the_simulators_wait_for_the_engine_until_they_are_stopped() -> None:
    stop = threading.Event()
    stop.set()
    assert not _takes_messages("tcp://127.0.0.1:9", stop)


def test_the_state_has_the_kernels_until_messages_can_be_taken() -> None:
    kernels: Kernels = {"compiled": 2, "of": 12}
    store = Store(Settings(), None, "live", kernels=lambda: kernels)
    state: State = json.loads(store.state(-1, ""))
    assert state["kernels"] == kernels
    unchanged = json.loads(store.state(state["version"], state["engine"]))
    assert unchanged["unchanged"] and unchanged["kernels"] == kernels
    feeds: Any = {"slices": {"messages": 0}}
    store.update((), EngineState(feeds=Feeds(feeds)))
    assert "kernels" not in json.loads(store.state(-1, ""))


@pytest.mark.parametrize(
    ("kernels", "text"),
    [
        ({"compiled": 2, "of": 12}, "Compiling kernels 3 of 12…\nonce per machine"),
        ({"compiled": 12, "of": 12}, "The engine is starting"),
        (None, "The engine is starting"),
    ],
)
def test_the_line_says_what_is_waited_for(kernels: Kernels | None, text: str) -> None:
    assert starting(State(kernels=kernels) if kernels else State()) == text


WARM = """
import sys
from monitor.engine.warm_up import KERNELS, compiled, warm_up
warm_up()
named = [getattr(module, name) for module, names in KERNELS for name in names.split()]
print([kernel.__name__ for kernel in named if not kernel.overloads], compiled())
found = {
    id(kernel): kernel
    for name, module in list(sys.modules.items()) if name.startswith("monitor.core.")
    for kernel in vars(module).values() if hasattr(kernel, "py_func") and hasattr(kernel, "stats")
}
read = [k for k in found.values() if sum(k.stats.cache_hits.values()) and k not in named]
print([kernel.__name__ for kernel in read])
"""


@pytest.mark.slow
def test_the_kernels_that_are_counted_are_those_of_the_warm_up() -> None:
    missing, not_counted = printed(WARM).splitlines()
    count = missing.rpartition("of': ")[2].rstrip("}")
    assert missing == f"[] {{'compiled': {count}, 'of': {count}}}"
    assert not_counted == "[]"
