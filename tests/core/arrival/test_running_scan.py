"""One scan on its own: what it lets in, and when its heights are there."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.arrival.assembly import Arrival
from monitor.core.arrival.measurement import ScanSetup
from monitor.core.arrival.running_scan import RunningScan
from monitor.errors import BadMessage
from monitor.records import SliceFrame, frozen
from tests.core.experiment import SHAPE, removal, volume
from tests.core.phantom import cell, start

MEMORY = 10**9


def frames(data):
    return [SliceFrame("A", 0, "s", z, z, frozen(image)) for z, image in enumerate(data)]


def running(dtype="uint16"):
    return RunningScan(ScanSetup(start(SHAPE, dtype=dtype), cell(), None, MEMORY))


def test_heights_are_those_of_the_foil():
    scan = running()
    assert all(scan.add(frame) is Arrival.NEW for frame in frames(volume(1)))
    assert scan.whole
    measured = scan.finish()
    error = measured.heights.height - (66.0 - 20.2 - removal(1))
    assert abs(np.nanmean(error)) < 0.05
    assert measured.ledger.all()


def test_nothing_is_known_before_the_electrolyte_has_come_up():
    scan = running()
    for frame in frames(volume(0))[:60]:
        scan.add(frame)
    assert scan._measurement.levels is None
    assert scan.provisional() is None
    assert scan._measurement.used == 0
    assert not scan.whole


def test_a_scan_without_slices_measures_nothing():
    assert running().finish() is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"frame": 96}, "bad_index"),
        ({"data": np.zeros((47, 48), np.uint16)}, "bad_shape"),
        ({"data": np.zeros((48, 48, 1), np.uint16)}, "bad_shape"),
        ({"data": np.zeros((48, 48), np.int16)}, "bad_type"),
        ({"data": np.zeros((48, 48), np.float32)}, "bad_type"),
    ],
)
def test_a_slice_of_another_kind_is_refused(change, kind):
    with pytest.raises(BadMessage) as caught:
        running().check(replace(frames(volume(0))[0], **change))
    assert caught.value.kind == kind


def test_only_finite_numbers_are_let_in():
    scan = running("float32")
    data = volume(0, dtype="float32")
    scan.check(frames(data)[0])
    for value in (np.nan, np.inf, -np.inf):
        spoilt = data[0].copy()
        spoilt[47, 47] = value
        with pytest.raises(BadMessage) as caught:
            scan.check(SliceFrame("A", 0, "s", 0, 0, spoilt))
        assert caught.value.kind == "not_finite"


def test_levels_of_the_former_scan_stand_in_where_a_scan_shows_too_little():
    whole = running()
    for frame in frames(volume(0)):
        whole.add(frame)
    former = whole.finish().levels
    short = RunningScan(ScanSetup(start(SHAPE), cell(), former, MEMORY))
    for frame in frames(volume(0))[:30]:  # collector and some lithium
        short.add(frame)
    measured = short.finish()
    assert measured.levels == former
    assert int(measured.ledger.sum()) == 30
    assert np.isnan(measured.heights.height).all()
