"""Scans as BLISS publishes them: by blissdata's own producer classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

with warnings.catch_warnings():  # of the libraries that it imports
    warnings.simplefilter("ignore")
    from blissdata.redis_engine.store import DataStore
    from blissdata.streams.default import Stream

EPOCH = "timer:epoch"


class BlissScans:
    """Makes scans in the Redis at `url`, which must be empty."""

    def __init__(self, url: str, session: str = "id15a") -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.store = DataStore(url, init_db=True)
        self.session = session
        self._number = 0

    def scan(self, units: Mapping[str, str | None], **more: Any) -> PublishedScan:
        """A scan that has started, with these channels and their units."""
        self._number += 1
        return PublishedScan(self, self._number, units, **more)


class PublishedScan:
    """A scan; `prepare=False` leaves it as it is created, without channels."""

    def __init__(
        self,
        scans: BlissScans,
        number: int,
        units: Mapping[str, str | None],
        *,
        prepare: bool = True,
        session: str | None = None,
        slow: Sequence[str] = (),
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """`slow`: channels of a second acquisition chain; `shapes`: of points that are arrays."""
        identity = {
            "name": "timescan",
            "number": number,
            "data_policy": "ESRF",
            "session": "20261201",
            "proposal": "ma1234",
            "collection": "cell",
            "dataset": "cell_0001",
        }
        fast = [name for name in units if name not in slow]
        info = {
            "title": f"timescan {number}",
            "session_name": scans.session if session is None else session,
            "channels": {
                name: {"dim": 0} | ({"unit": unit} if unit else {}) for name, unit in units.items()
            },
            "acquisition_chain": {
                "fast": {"top_master": "timer", "devices": ["timer"]},
                "slow": {"top_master": "slow", "devices": ["slow"]},
            },
            "devices": {
                "timer": {"name": "timer", "channels": [EPOCH], "triggered_devices": ["card"]},
                "card": {"name": "card", "channels": fast},
                "slow": {"name": "slow", "channels": list(slow)},
            },
        }
        self._units, self._shapes = units, shapes or {}
        self.scan = scans.store.create_scan(identity, info)
        self.streams: dict[str, Any] = {}
        if prepare:
            self.start()

    def start(self) -> Self:
        for name in self._units:
            definition = Stream.make_definition(name, "float64", self._shapes.get(name, ()))
            self.streams[name] = self.scan.create_stream(definition)
        self.scan.prepare()
        self.scan.start()
        return self

    def send(self, **columns: Sequence[float]) -> None:
        """Points, by the counters' names without their controllers; on return Redis has them."""
        for counter, values in columns.items():
            name = next(name for name in self.streams if name.rpartition(":")[2] == counter)
            self.streams[name].send(np.asarray(values, "float64"))
            self.streams[name].join()

    def end(self, reason: str = "SUCCESS") -> None:
        self.scan.stop()
        self.scan.info["end_reason"] = reason
        self.scan.close()
