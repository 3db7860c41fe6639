"""A real publisher with made-up scans, and the real window in front of it, without a display."""

import gc
import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import pytest
from PySide6.QtCore import QEvent
from pytestqt.qtbot import QtBot

from monitor.engine.serving.engine_state import EngineState
from monitor.engine.serving.publisher import Publisher
from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from monitor.settings import parse
from tests.gui.synthetic import Cell
from tests.helpers.waiting import PATIENCE_MS

ANY_PORT = {"status": "tcp://127.0.0.1:*", "pull": "tcp://127.0.0.1:*"}
FEEDS = {
    "slices": {"messages": 480, "bytes": 9_000_000, "gaps": 2, "repeats": 0, "late": 0,
               "bad": {"bad_length": 1}, "last_time": None},
    "documents": {"messages": 240, "bad": {}, "last_time": None},
}  # fmt: skip


class PatientBot(QtBot):
    """Waits as long as a busy machine may need."""

    def waitUntil(self, callback, *, timeout=PATIENCE_MS):
        super().waitUntil(callback, timeout=max(timeout, PATIENCE_MS))


@pytest.fixture(scope="session")
def others_kept():
    """What earlier tests left is not looked at again by each of those of the screen."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def collected_here(others_kept):
    """Garbage is collected in this thread, as in the program: widgets that end in another crash."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def nothing_left(qapp, collected_here):
    """Deletes what a test leaves: menus of plots, which nobody closes, would be given a new style
    with each change of it, more of them from test to test."""
    yield
    for widget in qapp.topLevelWidgets():
        if isinstance(widget, Window):
            rows = widget.views["trend"].rows
            for plot in rows.plots.values():
                if plot.scene() is None:  # it would outlive the window, and crash as Qt ends
                    rows.graphics.scene().addItem(plot)
        widget.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def qtbot(qapp, request):
    return PatientBot(request)


class Bench:
    """An engine's publisher that is fed by hand."""

    def __init__(self, cells, table=None, pull=None, slices=True):
        self.cells = {cell.name: cell for cell in cells}
        self.orders = []
        results = ANY_PORT | ({"pull": pull} if pull else {})
        settings = {"cells": [{"name": name} for name in self.cells], "results": results}
        self.publisher = Publisher(
            parse(settings | (table or {})),
            section=self.section if slices else None,
            on_operator=self.orders.append,
            stored_map=None,
        )

    def section(self, cell, scan, axis, index):
        return self.cells[cell].section(scan or 0, axis, index)

    def update(self, *outputs, running=None, cycler=None, channels=()):
        none = dict.fromkeys(self.cells)
        state = EngineState(feeds=FEEDS, running=none | (running or {}), cycler=cycler or {})
        self.publisher.update(outputs, state, (), channels)

    def scans(self, name, count):
        """Scans 0 … count - 1 and the readings up to then."""
        cell = self.cells[name]
        for scan in range(count):
            self.update(cell.result(scan))
        for reading in cell.readings(cell.start(count - 1).stop_time + 600):
            self.update(cycler={name: reading})


@pytest.fixture
def bench():
    """make(cells, …) → Bench; all are closed at the end."""
    made = []

    def make(*cells, **options):
        made.append(Bench(cells or (Cell(),), **options))
        return made[-1]

    yield make
    for one in made:
        one.publisher.close()


@pytest.fixture
def screen(qtbot, qapp):
    """make(address) → the window, shown; closed with its client at the end."""
    theme.apply(qapp)
    clients = []

    def make(publisher, cell=None, size=(1280, 800)):
        client = Client(publisher.pull_address, publisher.status_address)
        clients.append(client)
        window = Window(client, cell)
        qtbot.addWidget(window)
        window.resize(*size)
        window.show()
        qtbot.waitUntil(window.isActiveWindow, timeout=20_000)  # else keys go nowhere
        return window

    yield make
    for client in clients:
        client.close()
