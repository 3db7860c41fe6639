"""From documents and slices to an alarm that states what the ring current did."""

import numpy as np
import pytest

from monitor.core.session import Session
from monitor.records import CyclerDocument, Event
from tests.core.experiment import cycler_documents, scan_records, settings, volume

NOISE = (10.0, 10.0, 10.0, 24.0, 24.0)
LOST_S = 3 * 1800.0 - 600.0


def ring(until_s):
    """A run of its own, without a cell."""
    yield CyclerDocument("start", {"uid": "machine", "time": 0.0})
    keys = {"sr": {"units": "mA"}}
    run = {"uid": "machine-d", "run_start": "machine", "name": "ring", "time": 0.0}
    yield CyclerDocument("descriptor", {**run, "data_keys": keys})
    for time in np.arange(0.0, until_s, 30.0).tolist():
        data = {"sr": 200.0 if time < LOST_S else 12.0}
        event = {"descriptor": "machine-d", "time": time, "data": data}
        yield CyclerDocument("event", {**event, "timestamps": {"sr": time}})


def alarms(*, channels):
    session = Session(settings("A", channels=channels))
    told = []
    messages = [*cycler_documents(1800.0 * len(NOISE)), *ring(1800.0 * len(NOISE))]
    for scan, noise in enumerate(NOISE):
        messages += scan_records(scan, data=volume(scan, noise=noise))
    for message in messages:
        told += [o for o in session.feed(message) if isinstance(o, Event) and o.kind == "alarm"]
    return {alarm.data["condition"]: alarm.data for alarm in told if "condition" in alarm.data}


@pytest.mark.slow
def test_noise_that_rose_after_the_beam_was_lost():
    stated = alarms(channels={"ring": {"key": "sr", "title": "ring current"}})
    assert {"noise", "grey_levels"} & stated.keys()
    for condition in {"noise", "grey_levels"} & stated.keys():
        text = stated[condition]["text"]
        assert "ring current fell at 01:20 UTC (200 → 12 mA)" in text, text
        assert "not necessarily the cause" in text
    assert not any("coincidences" in one for one in alarms(channels={}).values())
