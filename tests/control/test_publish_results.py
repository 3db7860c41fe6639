"""Documents through a proxy to a stock consumer of bluesky, through restarts of the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import msgpack
from bluesky.callbacks.zmq import RemoteDispatcher

from monitor.control.publish_results import Proxy, publish_results
from monitor.processes import free_addresses
from monitor.sources.feeds.documents_proxy import DocumentsProxy
from tests.control.engines import engine
from tests.gui.synthetic import Cell
from tests.helpers.waiting import PATIENCE_S, eventually


class Consumer:
    """bluesky's own, in a thread."""

    def __init__(self, address: str) -> None:
        self.documents: list[tuple[str, Any]] = []
        self._dispatcher = RemoteDispatcher(
            address.removeprefix("tcp://"), deserializer=msgpack.unpackb
        )
        self._dispatcher.subscribe(lambda name, document: self.documents.append((name, document)))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._dispatcher.start()

    def scans(self) -> list[int]:
        return [d["data"]["scan"] for name, d in self.documents if name == "event"]

    def starts(self) -> int:
        return sum(name == "start" for name, _ in self.documents)

    def close(self) -> None:
        # its `stop` closes the loop that is still running
        self._dispatcher.loop.call_soon_threadsafe(self._dispatcher._task.cancel)
        self._thread.join(PATIENCE_S)


def test_a_stock_consumer_has_whole_runs_also_after_the_proxy_was_started_again() -> None:
    pull, documents_in, documents_out = free_addresses(3)
    stop, said, cell = threading.Event(), list[str](), Cell()
    consumer = Consumer(documents_out)
    how: dict[str, Any] = {"keys": None, "recording": "", "stop": stop, "say": said.append}
    thread = threading.Thread(
        target=publish_results, args=(pull, [Proxy(documents_in)]), kwargs=how
    )
    thread.start()
    try:
        with engine(pull) as made:
            made.update(cell.result(0), cell.result(1))
            eventually(lambda: any("does not answer" in line for line in said))
            proxy = DocumentsProxy(documents_in, documents_out)
            eventually(lambda: consumer.scans()[-2:] == [0, 1])
            made.scan(2, cell)
            eventually(lambda: consumer.scans()[-3:] == [0, 1, 2])
            proxy.close()
            before = consumer.starts()
            proxy = DocumentsProxy(documents_in, documents_out)
            eventually(lambda: consumer.starts() > before)
            eventually(lambda: consumer.scans()[-3:] == [0, 1, 2])
        with engine(pull) as made:
            made.update(*(cell.result(n) for n in range(4)))
            eventually(lambda: consumer.scans()[-1:] == [3])
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    eventually(lambda: consumer.documents[-1][0] == "stop")
    consumer.close()
    proxy.close()
