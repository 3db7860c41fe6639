"""Child processes, signals and addresses."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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


MIDST = """
import signal, sys
from monitor.processes import stop_on_signal

class Blocked(Exception):
    pass

def waited(stop, at, blocked_after_s):
    done = 0
    def trace(frame, event, argument):
        nonlocal done
        frame.f_trace_opcodes = True
        if event == "opcode":
            done += 1
            if done == at:
                sys.settrace(None)
                signal.raise_signal(NUMBER)
        return trace
    def block(number, frame):
        waited.steps = done
        raise Blocked
    signal.signal(signal.SIGALRM, block)
    signal.setitimer(signal.ITIMER_REAL, blocked_after_s)
    sys.settrace(trace)
    try:
        return stop.wait()
    except Blocked:
        return False
    finally:
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_REAL, 0)

NUMBER = signal.Signals[sys.argv[1]]
with stop_on_signal() as stop:
    assert not waited(stop, 0, 1.0)
steps = waited.steps
for at in range(1, steps + 1):
    with stop_on_signal() as stop:
        assert waited(stop, at, 100.0), at
        assert stop.wait(0) and stop.wait() and stop.wait(), at
print(steps, "steps")
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_in_the_midst_of_beginning_to_wait_is_heard(number):
    """At every step on the way into `wait`, in the thread that waits: as when a program is told to
    end in the moment in which it has begun."""
    found = subprocess.run(
        [sys.executable, "-c", MIDST, number],
        env=own_environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert int(found.stdout.split()[0]) > 5


def test_all_that_wait_for_a_signal_are_told():
    with stop_on_signal() as stop, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(stop.wait, 60) for _ in range(8)]
        os.kill(os.getpid(), signal.SIGTERM)
        assert all(one.result() for one in waiting)
        assert stop.wait() and stop.wait(0)


@pytest.mark.parametrize("timeout", [0, 0.05, -1])
def test_nothing_is_heard_without_a_signal(timeout):
    with stop_on_signal() as stop:
        assert not stop.wait(timeout) and not stop.is_set()


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
