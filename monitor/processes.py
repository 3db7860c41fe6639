"""Child processes of one command: started together, watched, and always stopped."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from monitor.bounded import Bounded
from monitor.program import command
from monitor.sockets.keys import is_local

STOP_S = 300.0
LOOK_S = 0.5
FREE_PORTS = range(20000, 32000)
GIVEN: Bounded[int, None] = Bounded(500)
"""Ports that were given lately: whoever asked for one may not listen on it yet."""
WANTED_ENDS = (signal.SIGTERM, signal.SIGINT)
UNWANTED_ENDS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGUSR1") if hasattr(signal, name)
)
"""They end the work in order, and leave a recording that can be resumed."""
UNWANTED_END = getattr(signal, "SIGUSR1", signal.SIGTERM)


BOUND = "PITWATCH_BOUND"
"""Set for a program that ends when its standard input does: its parent alone holds the other end,
which every system closes with the process."""


class Children:
    """Programs of ours that run beside this one: pitwatch with other arguments."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        quiet: bool = False,
        nice: int = 0,
        bound: bool = False,
        aside: bool = False,
    ) -> None:
        """Start pitwatch with these arguments, under a name to ask for it by; `nice`: how far it
        gives way to others. If it is `bound`, it ends when this process is gone, however that
        ended. `aside`: Ctrl-C in the terminal does not reach it."""
        child = self._running[name] = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.PIPE if bound else None,
            stdout=subprocess.DEVNULL if quiet else None,
            env={**os.environ, BOUND: "1"} if bound else None,
            process_group=0 if aside and os.name == "posix" else None,
        )
        if nice and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, nice)

    def alive(self, name: str) -> bool:
        """Whether it has been started and has not ended."""
        child = self._running.get(name)
        return child is not None and child.poll() is None

    def wait(self, name: str, timeout_s: float | None = None) -> int:
        """Exit code of the child once it has ended. Raises subprocess.TimeoutExpired."""
        return self._running[name].wait(timeout_s)

    def stop(self, name: str, *, wanted: bool = True) -> int:
        """Ask a child to end; returns its exit code, 0 where it never began. Not `wanted`: what an
        engine records can be resumed then.

        It is made to end only after five minutes, since a recording may have much to write.
        """
        child = self._running.get(name)
        if child is None:
            return 0
        if child.poll() is None:
            child.send_signal(signal.SIGTERM if wanted else UNWANTED_END)
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
        code = child.wait()
        if child.stdin is not None:
            child.stdin.close()
        return code

    def stop_all(self) -> None:
        """End what still runs, the last started first."""
        for name in reversed(list(self._running)):
            with contextlib.suppress(KeyboardInterrupt):
                self.stop(name)


def own_environment() -> dict[str, str]:
    """For a Python that is to find the modules of this program, wherever it was started."""
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": paths}


class Stop(threading.Event):
    """Set by a signal; `leaves_broken`: by one that does not mean that the work is over, as when a
    terminal is closed.

    A signal may arrive in the midst of `wait`, in the same thread: an ordinary event would then
    wait for its own lock without end. `SimpleQueue.put` may interrupt `get`. A signal that arrives
    between Python's last look for one and the wait itself ends the wait after LOOK_S.
    """

    leaves_broken = False

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._told.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not self._is_set and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._told.get(timeout=min(left, LOOK_S))
                self._told.put(None)  # for the others that wait
        return self._is_set


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """An event that SIGTERM and SIGINT set, and SIGHUP and SIGUSR1 where nobody has them ignored; a
    second SIGINT interrupts as usual."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not stop.is_set():
            stop.leaves_broken = number in UNWANTED_ENDS
        stop.set()

    numbers = [number for number in (*WANTED_ENDS, *UNWANTED_ENDS) if not _is_ignored(number)]
    before = {number: signal.signal(number, handle) for number in numbers}
    if os.environ.pop(BOUND, ""):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, UNWANTED_END)  # it may wait in a call that only this ends
    else:
        signal.raise_signal(UNWANTED_END)


def _is_ignored(number: int) -> bool:
    """As SIGHUP is under nohup."""
    return number in UNWANTED_ENDS and signal.getsignal(number) == signal.SIG_IGN


def free_addresses(count: int) -> list[str]:
    """`count` loopback addresses that nothing listens on at this moment.

    They are drawn at random, below those that systems give to outgoing connections: neither such a
    connection nor another program that asks now is likely to take one before it is used. This one
    is not given the same again soon. Raises OSError if there are none.
    """
    found: list[str] = []
    for port in random.SystemRandom().sample(FREE_PORTS, len(FREE_PORTS)):
        if len(found) == count:
            return found
        if port not in GIVEN and is_free(address := f"tcp://127.0.0.1:{port}"):
            found.append(address)
            GIVEN[port] = None
    raise OSError(f"fewer than {count} ports are free")


def is_free(address: str) -> bool:
    """Whether this is a loopback TCP address, and can be listened on now."""
    if not (is_local(address) and address.startswith("tcp://")):
        return False
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, ValueError):
            return False
    return True


def has_display() -> bool:
    """Whether a window can be opened here: a display server, or Qt told to do without."""
    if os.environ.get("QT_QPA_PLATFORM"):
        return True
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
