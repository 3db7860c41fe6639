"""The last slices of a publisher, if its engine is behind."""

import os
import signal
import threading
import time

import pytest
import zmq

from monitor.processes import free_addresses, stop_on_signal
from monitor.sources.feeds.slices import SliceSocket
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S

MANY, SIZE = 400, 100_000
pytestmark = pytest.mark.slow  # an engine is behind for seconds


@pytest.fixture
def behind():
    """An address, and a subscriber that reads nothing by itself."""
    (address,) = free_addresses(1)
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        subscriber.rcvhwm = 2
        subscriber.linger = 0
        subscriber.subscribe(b"")
        subscriber.connect(address)
        yield address, subscriber


def sent(address, stop):
    with SliceSocket(address, SIZE, stop) as slices:
        assert slices.wait_for_subscriber(PATIENCE_S)
        for _ in range(MANY):
            assert slices.send([bytes(SIZE)])


@pytest.mark.parametrize("behind_s", [0.0, 12.0])
def test_an_engine_that_is_behind_gets_the_last_slices(behind, behind_s):
    address, subscriber = behind
    publisher = threading.Thread(target=sent, args=(address, threading.Event()))
    publisher.start()
    time.sleep(behind_s)
    for _ in range(MANY):
        assert subscriber.poll(PATIENCE_MS)
        assert subscriber.recv() == bytes(SIZE)
    publisher.join(PATIENCE_S)
    assert not publisher.is_alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting_for_an_engine_that_hangs(behind, number):
    address, _ = behind
    with stop_on_signal() as stop:
        ends = threading.Timer(2.0, os.kill, (os.getpid(), number))
        ends.start()
        began = time.monotonic()
        sent(address, stop)
        assert stop.is_set()
        assert time.monotonic() - began < PATIENCE_S
