"""The plan under a real RunEngine: pauses, aborts, lost beam, requests."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise

import pytest
from bluesky.suspenders import SuspendBoolHigh

from simulators.devices.beam import Beam
from tests.simulators.rig import PERIOD_S, SCAN_S, Monitor, Rig

pytestmark = pytest.mark.slow  # periods of simulated time are waited for


@pytest.fixture
def rig(endpoint) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def build(**kwargs) -> Rig:
        made.append(Rig(endpoint, **kwargs))
        return made[-1]

    yield build
    for one in made:
        one.close()
        one.check()


def test_a_deferred_pause_waits_for_the_end_of_the_scan_and_loses_no_request(rig):
    r = rig()
    r.slices.held = 0
    r.start()
    r.sends(0)
    r.pause(defer=True)
    r.monitor.ask("r1")
    r.until(lambda: "accepted" in r.monitor.statuses("r1"))
    r.slices.held = -1
    r.joined()
    assert (r.engine.state, r.ended, r.recorded) == ("paused", [0], [0])
    r.monitor.ask("r2")
    r.resume()
    r.joined()
    for id_ in ("r1", "r2"):
        told = [status for status, _ in r.monitor.up_to_the_end(id_)]
        assert told == ["accepted", "running", "done"]
    assert sorted(r.ended) == r.recorded == list(range(len(r.scans)))
    assert {line.split("(")[0][-2:] for line in r.lines} == {f"{n} " for n in r.ended}


def test_an_immediate_pause_lets_the_running_scan_end_once(rig):
    r = rig()
    r.slices.held = 1
    r.start_and_rest()
    r.monitor.ask("r1")
    r.sends(1)
    r.pace.go_on()
    r.pause()
    r.joined()
    r.monitor.ask("r2")
    r.slices.held = -1
    r.until(lambda: r.ended[:2] == [0, 1])
    assert r.recorded == [0]
    r.resume()
    r.joined()
    told = r.monitor.up_to_the_end("r1")
    assert told == [("accepted", None), ("running", 1), ("done", 1)]
    assert r.monitor.up_to_the_end("r2")[-1][0] == "done"
    assert r.recorded == list(range(len(r.scans))) == r.ended


def test_scans_missed_in_a_pause_are_left_out_and_so_are_readings(rig):
    r = rig()
    r.start()
    r.until(lambda: r.recorded[:1] == [0])
    r.pause()
    r.joined()
    before = r.time.now
    pace = r.beamline.pace
    due = pace.time() + 1.3 * PERIOD_S
    r.until(lambda: pace.time() > due)
    assert r.time.now == before
    r.resume()
    r.joined()
    begins = [begin for *_, begin in r.scans]
    assert begins[0] == 0.0
    assert begins[1] >= 2 * PERIOD_S and begins[2] == begins[1] + PERIOD_S
    assert any("skipped" in line for line in r.lines)
    times = r.reading_times
    assert times == sorted(set(times)) and max(b - a for a, b in pairwise(times)) > PERIOD_S


@pytest.mark.parametrize("how", ["abort", "stop", "halt"])
def test_a_plan_that_is_ended_answers_its_requests(rig, how):
    r = rig(scans=9)
    r.slices.held = 1
    r.start_and_rest()
    r.monitor.ask("r1")
    r.sends(1)
    r.pace.go_on()
    r.monitor.ask("r2")
    r.until(lambda: "accepted" in r.monitor.statuses("r2"))
    getattr(r.engine, how)()
    r.joined()
    r.until(lambda: len(r.monitor.heard("r1")) == 3 and len(r.monitor.heard("r2")) == 2)
    assert r.monitor.heard("r1") == [("accepted", None), ("running", 1), ("failed", 1)]
    assert r.monitor.statuses("r2") == ["accepted", "refused"]
    assert r.monitor.why("r1").startswith(f"the acquisition was {how}")
    assert (r.ended, r.recorded) == ([0], [0])
    stops = [doc["exit_status"] for name, doc in r.documents if name == "stop"]
    assert stops == ["success" if how == "stop" else "abort"]
    r.monitor.ask("r3")
    r.until(lambda: r.mailbox.poll() or bool(r.monitor.heard("r3")))
    assert r.monitor.heard("r3") == [("refused", None)]


def test_a_paused_plan_can_be_aborted(rig):
    r = rig()
    r.slices.held = 0
    r.start()
    r.sends(0)
    r.monitor.ask("r1")
    r.until(lambda: "accepted" in r.monitor.statuses("r1"))
    r.pause()
    r.joined()
    r.engine.abort()
    r.until(lambda: r.monitor.statuses("r1") == ["accepted", "refused"])
    assert r.engine.state == "idle"


def test_a_stop_of_the_beamline_closes_the_run_and_answers(rig):
    r = rig()
    r.slices.held = 1
    r.start_and_rest()
    r.monitor.ask("r1")
    r.sends(1)
    r.pace.go_on()
    r.beamline.stop.set()
    r.joined()
    r.until(lambda: r.monitor.statuses("r1")[-1] == "failed")
    assert r.ended == [0]
    assert r.documents[-1][1]["reason"] == "stopped by the operator"


def test_lost_beam_cuts_the_scan_and_none_begins_before_it_is_back(rig):
    r, beam = rig(), Beam(name="beam")
    for suspender in beam.suspenders():
        r.engine.install_suspender(suspender)
    r.slices.held = 1
    r.start_and_rest()
    r.monitor.ask("r1")
    r.sends(1)
    r.pace.go_on()
    beam.ring_current.put(20.0)
    count = len(r.slices.records)
    r.until(lambda: not r.beamline.stations[0].tomograph.busy)
    assert len(r.slices.records) <= count + 3
    r.monitor.ask("r2")
    lost = r.beamline.pace.time()
    r.until(lambda: r.beamline.pace.time() > lost + PERIOD_S)
    beam.ring_current.put(120.0)  # not enough yet
    assert len(r.scans) == 2
    beam.ring_current.put(200.0)
    r.joined()
    told = r.monitor.up_to_the_end("r1")
    assert told == [("accepted", None), ("running", 1), ("failed", 1)]
    assert "suspended" in r.monitor.why("r1")
    assert r.monitor.up_to_the_end("r2")[-1][0] == "done"
    assert 1 not in r.ended and 1 not in r.recorded
    assert r.recorded == [0, *range(2, len(r.scans))]
    assert any("scan 1 failed" in line and "suspended" in line for line in r.lines)
    assert any("skipped" in line for line in r.lines)


def test_any_suspender_holds_the_schedule_while_it_waits(rig):
    r, beam = rig(), Beam(name="beam")
    r.engine.install_suspender(SuspendBoolHigh(beam.shutter_closed))
    r.start_and_rest()
    beam.shutter_closed.put(True)
    r.until(lambda: r.beamline.suspended())
    r.pace.go_on()
    lost = r.beamline.pace.time()
    r.until(lambda: r.beamline.pace.time() > lost + 2.2 * PERIOD_S)
    assert len(r.scans) == 1
    beam.shutter_closed.put(False)
    r.joined()
    assert r.recorded == [0, 1, 2]
    assert r.scans[1][3] >= 3 * PERIOD_S


def test_a_pause_within_a_suspension_ends_with_the_suspension(rig):
    r, beam = rig(), Beam(name="beam")
    r.engine.install_suspender(SuspendBoolHigh(beam.shutter_closed))
    r.start_and_rest()
    beam.shutter_closed.put(True)
    r.until(lambda: r.beamline.suspended())
    r.pace.go_on()
    lost = r.beamline.pace.time()
    r.until(lambda: r.beamline.pace.time() > lost + 0.2 * PERIOD_S)
    r.pause()
    r.resume()
    r.until(lambda: r.beamline.pace.time() > lost + 1.2 * PERIOD_S)
    assert len(r.scans) == 1
    beam.shutter_closed.put(False)
    r.joined()
    assert r.recorded == [0, 1, 2]
    assert r.scans[1][3] >= 2 * PERIOD_S


def test_extra_scans_neither_delay_nor_double_the_periodic_ones(rig):
    r = rig(scans=4, speed=3000.0)
    r.start()
    for number in range(8):
        r.monitor.ask(f"r{number}")
    for number in range(8, 24):
        with suppress(AssertionError):
            now = r.beamline.pace.time()
            r.until(lambda now=now: r.time.now > now + 170.0 or r.engine.state == "idle")
        r.monitor.ask(f"r{number}")
    r.joined()
    periodic = [begin for _, _, reason, begin in r.scans if reason in ("reference", "periodic")]
    assert periodic == [0.0, PERIOD_S, 2 * PERIOD_S, 3 * PERIOD_S]
    extra = [begin for _, _, reason, begin in r.scans if reason == "extra"]
    assert len(extra) > 5
    assert all(begin % PERIOD_S + SCAN_S <= PERIOD_S for begin in extra)
    assert all(b - a >= SCAN_S for a, b in pairwise(sorted(periodic + extra)))


def test_a_request_repeated_at_any_time_by_anybody_makes_one_scan(rig):
    r = rig()
    r.slices.held = 0
    r.start()
    r.sends(0)
    for _ in range(3):
        r.monitor.ask("r1")
    r.until(lambda: len(r.monitor.heard("r1")) == 3)
    r.slices.held = 1
    r.sends(1)
    restarted = Monitor(r.endpoint)
    restarted.ask("r1")
    r.until(lambda: "running" in restarted.statuses("r1"))
    r.slices.held = -1
    r.until(lambda: restarted.statuses("r1") == ["running", "done"])
    r.monitor.ask("r1")
    r.joined()
    r.mailbox.poll()
    r.until(lambda: len(r.monitor.heard("r1")) == 5)
    assert r.monitor.heard("r1") == [("accepted", None)] * 3 + [("running", 1), ("done", 1)]
    assert [reason for _, _, reason, _ in r.scans] == ["reference", "extra", "periodic", "periodic"]
    restarted.close()


def test_two_cells_share_the_beam(rig):
    r = rig(cells=2)
    r.start_and_rest()
    for number in range(6):
        r.monitor.ask(f"r{number}", "AB"[number % 2], "manual" if number == 5 else "pit_onset")
    r.pace.go_on()
    r.joined()
    for cell, offset in (("A", 0.0), ("B", PERIOD_S / 2)):
        grid = [
            b for c, _, reason, b in r.scans if c == cell and reason in ("reference", "periodic")
        ]
        assert grid == [offset, offset + PERIOD_S, offset + 2 * PERIOD_S]
        assert [n for c, n, *_ in r.scans if c == cell] == list(range(6))
    assert all(r.monitor.up_to_the_end(f"r{number}")[-1][0] == "done" for number in range(6))
    begins = sorted(begin for *_, begin in r.scans)
    assert all(b - a >= SCAN_S for a, b in pairwise(begins))
    assert [doc["exit_status"] for name, doc in r.documents if name == "stop"] == ["success"] * 2


def test_a_detector_that_fails_is_said_so_and_the_plan_goes_on(rig):
    r = rig(scans=4)
    r.slices.broken = True
    r.start()
    r.until(lambda: any("failed" in line for line in r.lines))
    r.slices.broken = False
    r.monitor.ask("r1")
    r.until(lambda: r.monitor.statuses("r1")[-1:] == ["done"])
    r.until(lambda: len(r.recorded) == 2)
    r.slices.broken = True
    r.monitor.ask("r2")
    r.until(lambda: r.monitor.statuses("r2")[-1:] == ["failed"])
    r.slices.broken = False
    r.joined()
    assert "no light" in r.monitor.why("r2")
    assert [reason for _, _, reason, _ in r.scans][:3] == ["extra", "reference", "periodic"]


def test_a_cell_that_has_ended_refuses(rig):
    r = rig(scans=1)
    r.slices.held = 0
    r.start()
    r.sends(0)
    r.monitor.ask("r1")
    r.until(lambda: "accepted" in r.monitor.statuses("r1"))
    r.slices.held = -1
    r.joined()
    r.until(lambda: r.monitor.statuses("r1") == ["accepted", "refused"])
    assert "has ended" in r.monitor.why("r1")
