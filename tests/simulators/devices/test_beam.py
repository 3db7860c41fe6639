"""The ring current that is published, at cell time."""

import pytest

from simulators.devices.beam import DECAY_MA, FULL_CURRENT_MA, TOP_UP_S, Beam, Ring
from simulators.truth.protocol import CellTime

BEGIN = 100 * TOP_UP_S


def reading(ring):
    ring.trigger().wait(60.0)
    return ring.read()["ring_current"]


def test_the_current_falls_between_two_top_ups():
    time = CellTime(BEGIN)
    ring = Ring(name="ring", beam=Beam(name="beam"), time=time)
    assert reading(ring) == {"value": FULL_CURRENT_MA, "timestamp": BEGIN}
    time.reach(BEGIN + TOP_UP_S / 2)
    assert reading(ring)["value"] == pytest.approx(FULL_CURRENT_MA - DECAY_MA / 2)
    time.reach(BEGIN + TOP_UP_S)
    assert reading(ring)["value"] == FULL_CURRENT_MA


def test_without_beam_it_is_that_of_the_beam():
    beam = Beam(name="beam")
    beam.ring_current.put(0.0)
    assert reading(Ring(name="ring", beam=beam, time=CellTime(BEGIN)))["value"] == 0.0


def test_it_says_its_unit():
    described = Ring(name="ring", beam=Beam(name="beam"), time=CellTime(BEGIN)).describe()
    assert list(described) == ["ring_current"] and described["ring_current"]["units"] == "mA"
