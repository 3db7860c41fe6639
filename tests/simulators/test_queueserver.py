"""What of the station outlives the RE manager that runs it."""

import threading
from pathlib import Path

import numpy as np
import pytest

from monitor.settings import Settings
from monitor.sources.feeds.slices import SliceSocket
from simulators import build
from simulators.devices.scan import ScanOrder
from simulators.queueserver.station import Station
from simulators.scenarios import settings_for


@pytest.fixture
def publisher(endpoint):
    with SliceSocket(endpoint, 1024, threading.Event()) as publisher:
        yield publisher


def station(publisher: SliceSocket, memory: Path | None) -> Station:
    settings = Settings.model_validate({"simulator": {"size": 64}})
    return Station(settings, 0, publisher, memory)


def test_the_first_scan_is_the_reference_and_numbers_go_on(publisher):
    one = station(publisher, None)
    orders = [one.periodic(), one.extra("extra", "id-1"), one.periodic(), one.extra("manual", "")]
    assert [(o.scan, o.reason, o.request) for o in orders] == [
        (0, "reference", ""),
        (1, "extra", "id-1"),
        (2, "periodic", ""),
        (3, "manual", ""),
    ]
    assert len({order.run for order in orders}) == 1


def test_a_station_that_was_killed_goes_on_where_it_stood(publisher, tmp_path):
    memory = tmp_path / "A.json"
    before = station(publisher, memory)
    before.periodic()
    killed_in = before.periodic()
    after = station(publisher, memory).extra("extra", "id-1")
    assert after == ScanOrder(killed_in.run, 2, "extra", "id-1")
    assert station(publisher, None).periodic().scan == 0


def test_no_two_cells_are_alike(publisher):
    """Neither their foils nor the noise of their scans; each is that of `simulate`."""
    settings = settings_for("two-cells", Settings.model_validate({"simulator": {"size": 64}}))
    cells = [Station(settings, index, publisher, None).tomograph for index in (0, 1)]
    foils = [cell._sample.cell._rng.random(8) for cell in cells]
    assert not np.array_equal(*foils)
    assert len({cell._seed for cell in cells}) == 2
    simulated = [build.truth(settings, index) for index in (0, 1)]
    for mine, other in zip(foils, simulated, strict=True):
        assert np.array_equal(mine, other._rng.random(8))
