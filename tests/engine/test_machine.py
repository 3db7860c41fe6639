"""Sharing the machine: what is set, and that nothing breaks where it cannot be."""

import sys
from types import SimpleNamespace

import pytest

from monitor.engine import machine
from monitor.records import ScanKey, ScanStart


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


@pytest.mark.parametrize(
    ("shape", "limit_MB", "fetched_MB"),
    [
        ((200, 1000, 1000), 2000.0, 400.0),  # what the scan takes
        ((200, 1000, 1000), 100.0, 100.0),  # no more than allowed
        ((20, 100, 100), 2000.0, None),  # too little to matter
        ((907, 8368, 8368), 2000.0, None),  # slices that do not lie in the heap
        ((200, 1000, 1000), 0.0, None),
    ],
)
def test_memory_is_fetched_once_for_what_the_first_header_announces(
    monkeypatch, shape, limit_MB, fetched_MB
):
    grown = []
    monkeypatch.setattr(machine, "_glibc", object)
    monkeypatch.setattr(machine, "machine_bytes", lambda: 64e9)
    monkeypatch.setattr(machine, "_grow", lambda _, size: grown.append(size) or (0, 0))
    ready = machine.ReadyMemory(limit_MB)
    for scan in range(2):
        key = ScanKey("A", "run", scan)
        ready.fetch(ScanStart(key, "s", 0, "periodic", "", "z", shape, "uint16", None, 0.0, 60.0))
    assert grown == ([] if fetched_MB is None else [fetched_MB * 1e6])


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
