"""Engines that only serve, fed by hand, one after the other at the same address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.publisher import Publisher
from monitor.records import Event, ScanResult
from monitor.settings import parse
from tests.engine.screens import FEEDS
from tests.gui.synthetic import T0, Cell

TABLE = {"cells": [{"name": "A"}, {"name": "B-2"}]}


class Engine:
    """Serves what it is given. `scan` is concluded, `happened` becomes an event."""

    def __init__(self, pull: str, table: dict[str, Any] | None = None) -> None:
        results = {"status": "tcp://127.0.0.1:*", "pull": pull}
        settings = parse({**(table or TABLE), "results": results})
        self.publisher = Publisher(
            settings, section=None, on_operator=lambda order: None, stored_map=None
        )
        self._recorder: dict[str, Any] = {}
        self._number = 0
        self.update()

    def recorded_in(self, folder: str) -> None:
        """The folder that the engine says it records into."""
        self._recorder = {"folder": folder}
        self.update()

    def update(self, *outputs: ScanResult | Event, ended: bool = False) -> None:
        state = EngineState(feeds=FEEDS, recorder=self._recorder, ended=ended)
        self.publisher.update(outputs, state)

    def scan(self, number: int, cell: Cell, **how: Any) -> None:
        self.update(cell.result(number, **how))

    def happened(self, kind: str, cell: str = "A", **data: Any) -> None:
        self._number += 1
        self.update(Event(self._number, kind, cell, T0, data))

    def close(self) -> None:
        self.publisher.close()


@contextmanager
def engine(pull: str, table: dict[str, Any] | None = None) -> Iterator[Engine]:
    made = Engine(pull, table)
    try:
        yield made
    finally:
        made.close()
