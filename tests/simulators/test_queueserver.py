"""What of the station outlives the RE manager that runs it."""

from pathlib import Path

import pytest

from monitor.settings import Settings
from simulators.id15a import ScanOrder, SlicePublisher
from simulators.queueserver.station import Station


@pytest.fixture
def publisher(endpoint):
    publisher = SlicePublisher(endpoint)
    yield publisher
    publisher.close()


def station(publisher: SlicePublisher, memory: Path | None) -> Station:
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
