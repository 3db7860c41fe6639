"""Cycler readings as bluesky documents, through a stock Publisher and a proxy."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from bluesky.callbacks.zmq import Publisher
from event_model import Event, compose_run
from numpy.typing import NDArray

from monitor.sources.cyclers.table import CyclerTable
from monitor.sources.feeds.delivery import Taken
from monitor.sources.feeds.documents_proxy import DocumentsProxy
from monitor.sources.feeds.slices import LINGER_MS
from monitor.wire.documents import Codec, serializer

UNITS = {
    "vmp_potential": "V",
    "vmp_current": "mA",
    "vmp_charge": "mA.h",
    "vmp_cycle": "",
    "vmp_step": "",
}
ABORTED_S = 3.0
BURST = 250
"""A bluesky Proxy drops what is beyond 1000 waiting messages: so many go, then they are waited
for."""


class ReadingFeed:
    """Publishes the readings of a table in time order, as one bluesky run of a cell."""

    def __init__(
        self,
        table: CyclerTable,
        times: NDArray[np.float64],
        *,
        cell: str,
        source: str,
        documents_in: str,
        documents_out: str,
        codec: Codec,
        taken: Taken,
    ) -> None:
        self._order = np.argsort(times, kind="stable")
        self._times = times
        self._columns = _columns(table)
        self._sent = 0
        first = float(times.min()) if times.size else time.time()
        self._last = first
        self._run = compose_run(
            time=first, metadata={"cell": cell, "plan_name": "publish", "cycler_file": source}
        )
        self._stream = self._run.compose_descriptor(
            name="primary",
            time=first,
            data_keys={
                key: {"source": source, "dtype": "number", "shape": [], "units": units}
                for key, units in UNITS.items()
            },
        )
        self._proxy = DocumentsProxy(documents_in, documents_out)
        self._taken = taken
        self._is_whole = False
        self._publisher = Publisher(
            documents_in.removeprefix("tcp://"), serializer=serializer(codec)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()
        self._taken.close()
        self._proxy.close(LINGER_MS if self._is_whole else 0)

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self._run.start_doc["uid"])

    @property
    def left(self) -> int:
        """How many readings have not been published yet."""
        return self._times.size - self._sent

    def add(self, table: CyclerTable, times: NDArray[np.float64]) -> None:
        """Takes in readings that arrived later; what is not published yet is put in time order."""
        self._times = np.concatenate([self._times, times])
        self._columns = {
            key: np.concatenate([self._columns[key], column])
            for key, column in _columns(table).items()
        }
        added = np.arange(self._order.size, self._times.size)
        waiting = np.concatenate([self._order[self._sent :], added])
        waiting = waiting[np.argsort(self._times[waiting], kind="stable")]
        self._order = np.concatenate([self._order[: self._sent], waiting])

    def open(self, stop: threading.Event) -> None:
        """Publishes the run's start and descriptor."""
        self._taken.begin(stop)
        self._publish("start", self._run.start_doc)
        self._publish("descriptor", self._stream.descriptor_doc)
        self._taken.wait(stop)

    def until(self, instant: float, stop: threading.Event) -> None:
        """Publishes the readings up to `instant` that were not published yet, and waits until they
        are taken."""
        count = 0
        while self.left and not stop.is_set():
            index = self._order[self._sent]
            if self._times[index] > instant:
                break
            self._publish("event", self._event(index))
            self._last = float(self._times[index])
            self._sent += 1
            count += 1
            if count % BURST == 0:
                self._taken.wait(stop)
        if count % BURST:
            self._taken.wait(stop)

    def finish(self, exit_status: Literal["success", "abort", "fail"]) -> None:
        """Publishes the run's stop document, and waits until it is taken."""
        self._publish("stop", self._run.compose_stop(exit_status=exit_status, time=self._last))
        patience_s = ABORTED_S if exit_status == "abort" else math.inf
        self._taken.wait(threading.Event(), patience_s)
        self._is_whole = exit_status == "success"

    def _publish(self, name: str, document: Mapping[str, object]) -> None:
        self._publisher(name, document)
        self._taken.sent()

    def _event(self, index: int) -> Event:
        when = float(self._times[index])
        data = {key: float(column[index]) for key, column in self._columns.items()}
        return self._stream.compose_event(
            data=data, timestamps=dict.fromkeys(data, when), time=when, validate=False
        )


def _columns(table: CyclerTable) -> dict[str, NDArray[np.float64]]:
    return {
        "vmp_potential": table.potential_V,
        "vmp_current": table.current_mA,
        "vmp_charge": table.charge_mAh,
        "vmp_cycle": table.cycle,
        "vmp_step": table.step,
    }
