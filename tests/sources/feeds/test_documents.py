"""Readings that were published, if their engine is behind and has no address at which it confirms
them."""

import threading
import time

import numpy as np
import pytest
import zmq

from monitor.processes import free_addresses
from monitor.sources.cyclers.table import CyclerTable
from monitor.sources.feeds.delivery import Taken
from monitor.sources.feeds.documents import ReadingFeed
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S

pytestmark = pytest.mark.slow  # an engine is behind for seconds


@pytest.mark.parametrize(("readings", "behind_s"), [(300, 0.0), (300, 2.0), (15000, 9.0)])
def test_an_engine_that_is_behind_gets_the_last_readings(readings, behind_s):
    into, out = free_addresses(2)
    times = np.arange(float(readings))
    table = CyclerTable(times, times, times, times, times, times)

    def publish():
        taken = Taken(out, None, lambda text: None)
        addresses = {"documents_in": into, "documents_out": out}
        with ReadingFeed(
            table, times, cell="A", source="x", codec="msgpack", taken=taken, **addresses
        ) as feed:
            time.sleep(0.5)
            stop = threading.Event()
            feed.open(stop)
            feed.until(np.inf, stop)
            feed.finish("success")

    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        subscriber.rcvhwm, subscriber.rcvbuf = 1, 4096
        subscriber.linger = 0
        subscriber.subscribe(b"")
        subscriber.connect(out)
        publisher = threading.Thread(target=publish)
        publisher.start()
        time.sleep(0.5 + behind_s)
        names = []
        while "stop" not in names:
            assert subscriber.poll(PATIENCE_MS), names[-3:]
            names.append(subscriber.recv().split(b" ", 2)[1].decode())
        publisher.join(PATIENCE_S)
    assert not publisher.is_alive()
    assert names == ["start", "descriptor", *["event"] * readings, "stop"]
