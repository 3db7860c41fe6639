"""Sharing the machine: what is set, and that nothing breaks where it cannot be."""

import sys
from types import SimpleNamespace

import pytest

from monitor.engine import machine


@pytest.mark.parametrize(("cores", "used"), [(1, 1), (2, 1), (3, 2), (64, 63)])
def test_one_core_is_left_to_the_receiving_thread(monkeypatch, cores, used):
    asked = []
    config = SimpleNamespace(NUMBA_NUM_THREADS=cores)
    compiler = SimpleNamespace(config=config, set_num_threads=asked.append)
    monkeypatch.setattr(machine, "numba", compiler)
    machine.leave_a_core()
    assert asked == [used]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_memory_settings_are_left_alone_where_there_are_none(monkeypatch, platform):
    asked = []

    class Library:
        def mallopt(self, key, value=0):
            asked.append(key)

    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: Library())
    monkeypatch.setattr(sys, "platform", platform)
    machine.keep_memory()
    assert bool(asked) == (platform == "linux")


def test_a_system_library_without_the_setting_is_no_error(monkeypatch):
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: object())
    monkeypatch.setattr(sys, "platform", "linux")
    machine.keep_memory()


def test_turns_are_short():
    before = sys.getswitchinterval()
    try:
        machine.take_short_turns()
        assert sys.getswitchinterval() == pytest.approx(machine.TURN_S)
    finally:
        sys.setswitchinterval(before)


def test_the_second_process_analyses_two_scans():
    from monitor.engine.warm_up import analyse_alone

    analyse_alone()
