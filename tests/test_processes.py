"""Child processes, signals and addresses."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from monitor import processes
from monitor.processes import (
    Children,
    free_addresses,
    has_display,
    is_free,
    own_environment,
    stop_on_signal,
)
from tests.helpers.waiting import eventually

SLEEPER = """
import signal, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def children(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text(SLEEPER)
    monkeypatch.setattr(processes, "command", lambda *words: [sys.executable, str(program), *words])
    made = Children()
    real = subprocess.Popen

    def piped(command, **options):
        child = real(command, **options | {"stdout": subprocess.PIPE})
        child.stdout.readline()
        return child

    monkeypatch.setattr(subprocess, "Popen", piped)
    yield made
    made.stop_all()
    for child in made._running.values():
        child.stdout.close()


def test_a_child_is_asked_to_end_and_its_code_is_told(children):
    children.start("one", [])
    assert children.alive("one")
    assert children.stop("one") == 7
    assert not children.alive("one")
    assert children.stop("one") == 7
    assert children.wait("one") == 7


def test_a_child_that_does_not_listen_is_killed(children, monkeypatch):
    monkeypatch.setattr("monitor.processes.STOP_S", 0.2)
    children.start("deaf", ["stubborn"])
    assert children.stop("deaf") == -signal.SIGKILL


def test_all_are_stopped_the_last_one_first(children):
    for name in ("one", "two"):
        children.start(name, [])
    children.stop_all()
    assert not any(children.alive(name) for name in ("one", "two"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_ask_to_stop_and_are_given_back_afterwards(number):
    before = signal.getsignal(number)
    with stop_on_signal() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(60)
    assert signal.getsignal(number) is before


def test_a_second_interrupt_interrupts():
    with pytest.raises(KeyboardInterrupt), stop_on_signal():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)


PARENT = """
import sys, time
from monitor import processes
processes.command = lambda *words: [sys.executable, "-c", words[0]]
children = processes.Children()
children.start("bound", [sys.argv[1]], bound=True)
time.sleep(3600)
"""
BOUND_CHILD = """
from pathlib import Path
from monitor.processes import stop_on_signal
with stop_on_signal() as stop:
    Path({path!r}).write_text("began")
    stop.wait(600)
Path({path!r}).write_text(f"ended, to be resumed: {{stop.leaves_broken}}")
"""


def test_a_bound_child_ends_in_order_once_its_parent_is_killed(tmp_path):
    said = tmp_path / "said"
    child = BOUND_CHILD.format(path=str(said))
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child], env=own_environment())
    with parent:
        eventually(said.exists)
        parent.kill()
    eventually(lambda: said.read_text() == "ended, to be resumed: True")


def test_free_addresses_are_free_and_differ():
    addresses = free_addresses(5)
    assert len(set(addresses)) == 5
    assert all(is_free(address) for address in addresses)


def test_an_address_is_not_given_again_before_it_can_be_in_use():
    addresses = [address for _ in range(50) for address in free_addresses(10)]
    assert len(set(addresses)) == 500


def test_an_address_in_use_or_none_at_all_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not is_free(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert not is_free("tcp://127.0.0.1")
    assert not is_free("tcp://127.0.0.1:many")


def test_a_display_is_known_by_its_environment(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "x")
            assert has_display()
