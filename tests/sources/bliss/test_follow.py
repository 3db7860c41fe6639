"""Scans of BLISS as documents. Tried with streams that blissdata's own producer classes write, and
a stand-in for Redis with its search module (tests/helpers/bliss_redis.py): not with a BLISS
session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("fakeredis")
pytest.importorskip("blissdata")

from monitor.errors import EngineUnreachable
from monitor.sources.bliss import points
from monitor.sources.bliss.counters import CounterNames
from monitor.sources.bliss.documents import Document
from monitor.sources.bliss.engine import Engine, Known
from monitor.sources.bliss.follow import DELETED, Scans, Wanted
from monitor.sources.bliss.server import DataServer, RedisLost
from tests.helpers.bliss_redis import BlissRedis, bliss_redis
from tests.helpers.bliss_scans import EPOCH, BlissScans

T0 = 1.79e9
UNITS = {EPOCH: "s", "vmp:Ewe": "V", "vmp:I": "A", "vmp:Q": "C", "machinfo:current": "mA"}
CYCLER = CounterNames({"potential_V": "vmp:Ewe", "current_mA": "I", "charge_mAh": "vmp:Q"})
NO_STOP = threading.Event()


class KeepingEngine:
    """Takes all that it is given, and knows its last reading; `fail` says when it is lost."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.fail: Callable[[Document], bool] = lambda document: False

    def give(self, documents: Iterable[Document], stop: threading.Event) -> bool:
        for document in documents:
            if self.fail(document):
                raise EngineUnreachable("no engine answers")
            self.documents.append(document)
        return True

    def known(self, offset_s: float = 0.0) -> Known:
        times = self.times
        return Known(max(times) + offset_s if times else None, offset_s)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.documents]

    @property
    def pages(self) -> list[dict[str, Any]]:
        return [dict(document) for name, document in self.documents if name == "event_page"]

    @property
    def times(self) -> list[float]:
        return [time for page in self.pages for time in page["time"]]

    def column(self, key: str) -> list[float]:
        return [value for page in self.pages for value in page["data"].get(key, ())]

    def one(self, name: str) -> dict[str, Any]:
        (found,) = [document for one, document in self.documents if one == name]
        return dict(found)


class Rig:
    """Redis, BLISS, an engine, and what is said."""

    def __init__(self, redis: BlissRedis) -> None:
        self.redis, self.bliss, self.engine = redis, BlissScans(redis.for_bliss), KeepingEngine()
        self.server = DataServer(redis.url)
        self.said: list[str] = []

    def scans(
        self,
        names: CounterNames = CYCLER,
        *,
        known: Known | None = None,
        session: str = "",
        past: bool = False,
    ) -> Scans:
        """Begins to follow."""
        return Scans(
            self.server,
            cast(Engine, self.engine),
            known or self.engine.known(),
            Wanted("A", names, session, past),
            self.said.append,
        )


@pytest.fixture
def rig() -> Iterator[Rig]:
    with bliss_redis() as redis:
        made = Rig(redis)
        yield made
        made.server.close()


def readings(first: int, count: int) -> dict[str, Sequence[float]]:
    numbers = np.arange(first, first + count)
    return {
        "epoch": list(T0 + numbers),
        "Ewe": list(2.0 + 0.001 * numbers),
        "I": list(-2.5e-4 * np.ones(count)),
        "Q": list(-0.9 * numbers),
        "current": list(192.0 + 0.1 * numbers),
    }


def test_counters_become_readings_in_the_units_of_the_cycler(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    names = CounterNames(CYCLER.quantities, ("machinfo:current",))
    scans = rig.scans(names)
    scans.update(NO_STOP)
    scan.send(**readings(0, 3))
    scans.update(NO_STOP)
    scan.send(**readings(3, 2))
    scans.update(NO_STOP)
    scan.end()
    scans.update(NO_STOP)
    engine = rig.engine
    assert engine.names == ["start", "descriptor", "event_page", "event_page", "stop"]
    assert engine.times == list(T0 + np.arange(5))
    assert engine.column("vmp_current") == pytest.approx([-0.25] * 5)
    assert engine.column("vmp_potential") == pytest.approx(2.0 + 0.001 * np.arange(5))
    assert engine.column("vmp_charge") == pytest.approx(-0.25 * np.arange(5) * 1e3 / 1e3)
    assert engine.column("machinfo:current") == pytest.approx(192.0 + 0.1 * np.arange(5))
    start, stop = engine.one("start"), engine.one("stop")
    assert start["cell"] == "A" and start["scan_id"] == 1
    assert start["bliss"]["session"] == "id15a" and start["bliss"]["dataset"] == "cell_0001"
    units = {key: one["units"] for key, one in engine.one("descriptor")["data_keys"].items()}
    assert units == {
        "vmp_potential": "V",
        "vmp_current": "mA",
        "vmp_charge": "mA.h",
        "machinfo:current": "mA",
    }
    assert [n for page in engine.pages for n in page["seq_num"]] == [1, 2, 3, 4, 5]
    assert (stop["exit_status"], stop["reason"]) == ("success", "SUCCESS")
    assert stop["run_start"] == start["uid"]
    assert rig.said[-1] == "scan 1 (timescan 1): ended (SUCCESS), 5 readings published"


@pytest.mark.parametrize(("reason", "status"), [("USER_ABORT", "abort"), ("FAILURE", "fail")])
def test_a_scan_that_was_aborted_or_failed_says_so(reason: str, status: str, rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 1))
    scans = rig.scans()
    scans.update(NO_STOP)
    scan.end(reason)
    scans.update(NO_STOP)
    assert rig.engine.one("stop")["exit_status"] == status


def test_channels_that_grow_at_their_own_pace_are_joined_by_number(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scans = rig.scans(CounterNames({"current_mA": "vmp:I", "charge_mAh": "vmp:Q"}))
    scan.send(epoch=T0 + np.arange(7.0))
    scans.update(NO_STOP)
    assert rig.engine.documents == []
    scan.send(I=[1e-3, 2e-3, 3e-3])
    scan.send(Q=[3.6])
    scans.update(NO_STOP)
    scan.send(Q=[7.2, 10.8, 14.4, 18.0])
    scans.update(NO_STOP)
    assert rig.engine.times == [T0, T0 + 1, T0 + 2]
    assert rig.engine.column("vmp_current") == pytest.approx([1.0, 2.0, 3.0])
    assert rig.engine.column("vmp_charge") == pytest.approx([1.0, 2.0, 3.0])
    scan.end()
    scans.update(NO_STOP)
    assert rig.said[-1].endswith(
        "3 readings published; not used, because other counters have fewer points: "
        "2 of vmp:Q, 4 of timer:epoch"
    )


def test_each_reading_once_after_the_program_is_started_again(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 4))
    rig.scans().update(NO_STOP)
    scan.send(**readings(4, 4))
    again = rig.scans()
    again.update(NO_STOP)
    again.update(NO_STOP)
    assert rig.engine.times == list(T0 + np.arange(8))
    uids = {document["uid"] for name, document in rig.engine.documents if name == "start"}
    assert len(uids) == 1, "it is the same run"
    assert [n for page in rig.engine.pages for n in page["seq_num"]] == list(range(1, 9))


def test_scans_that_were_made_meanwhile_are_made_good(rig: Rig) -> None:
    first = rig.bliss.scan(UNITS)
    first.send(**readings(0, 2))
    rig.scans().update(NO_STOP)
    first.send(**readings(2, 2))
    first.end()
    second = rig.bliss.scan(UNITS)
    second.send(**readings(4, 3))
    second.end()
    rig.scans().update(NO_STOP)
    assert rig.engine.times == list(T0 + np.arange(7))
    assert rig.engine.names.count("stop") == 2
    rig.scans().update(NO_STOP)
    assert rig.engine.times == list(T0 + np.arange(7)), "all is known"


def test_the_offset_that_the_engine_adds_is_no_newer_reading(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 4))
    rig.scans(known=Known(T0 + 2 - 3600.0, -3600.0)).update(NO_STOP)
    assert rig.engine.times == [T0 + 3]


def test_closed_scans_are_published_to_an_engine_without_readings_only_if_wanted(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 2))
    scan.end()
    rig.scans().update(NO_STOP)
    assert rig.engine.documents == []
    rig.scans(past=True).update(NO_STOP)
    assert rig.engine.times == [T0, T0 + 1]


def test_after_the_engine_was_lost_the_rest_is_published(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 3))
    scans = rig.scans()
    scans.update(NO_STOP)
    rig.engine.fail = lambda document: document[0] == "event_page"
    scan.send(**readings(3, 3))
    with pytest.raises(EngineUnreachable):
        scans.update(NO_STOP)
    rig.engine.fail = lambda document: False
    rig.scans().update(NO_STOP)
    assert rig.engine.times == list(T0 + np.arange(6))


def test_after_redis_was_lost_the_rest_is_published(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 3))
    scans = rig.scans()
    scans.update(NO_STOP)
    rig.redis.interrupt()
    with pytest.raises(
        RedisLost, match=r"no Redis answers at 127\.0\.0\.1:\d+ \(.*\); start BLISS"
    ):
        scans.update(NO_STOP)
    rig.redis.restart()
    rig.scans().update(NO_STOP)
    assert rig.engine.times == list(T0 + np.arange(3))


def test_scans_of_other_sessions_are_left_out_and_named(rig: Rig) -> None:
    other = rig.bliss.scan(UNITS, session="optics")
    other.send(**readings(0, 1))
    scans = rig.scans(session="id15a")
    scans.update(NO_STOP)
    assert rig.engine.documents == []
    (line,) = rig.said
    assert line.startswith("no scan of session id15a is running in the Redis at 127.0.0.1:")
    assert line.endswith("; there are scans of optics: waiting, or correct --session")
    own = rig.bliss.scan(UNITS)
    own.send(**readings(5, 1))
    scans.update(NO_STOP)
    assert rig.engine.times == [T0 + 5]


def test_a_scan_is_looked_at_again_until_it_is_prepared(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS, prepare=False)
    scans = rig.scans()
    scans.update(NO_STOP)
    scans.update(NO_STOP)
    assert rig.said == []
    scan.start().send(**readings(0, 1))
    scans.update(NO_STOP)
    assert rig.engine.times == [T0]


def test_a_scan_without_the_counters_is_named_until_one_has_them(rig: Rig) -> None:
    rig.bliss.scan({EPOCH: "s", "diode:x": "A"})
    scans = rig.scans()
    scans.update(NO_STOP)
    assert rig.said == [
        "scan 1 (timescan 1): has none of the counters vmp:Ewe, I, vmp:Q, but timer:epoch, "
        "diode:x; not published"
    ]
    rig.bliss.scan({EPOCH: "s", "diode:x": "A"})
    rig.bliss.scan(UNITS)
    rig.bliss.scan({EPOCH: "s", "diode:y": "A"})
    scans.update(NO_STOP)
    assert len(rig.said) == 2 and rig.said[1].startswith("scan 3 (timescan 3): vmp_potential from")


def test_other_counters_alone_are_of_no_cell(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 3))
    scans = rig.scans(CounterNames({}, ("machinfo:current",)), known=Known(None, 0.0))
    scans.update(NO_STOP)
    assert "cell" not in rig.engine.one("start")
    assert rig.engine.column("machinfo:current") == pytest.approx([192.0, 192.1, 192.2])
    assert scans.newest == T0 + 2


def test_a_scan_that_is_deleted_ends_its_run(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 2))
    scans = rig.scans()
    scans.update(NO_STOP)
    rig.bliss.store._redis.delete(scan.scan._model.state_stream.key(), scan.scan.key)
    scans.update(NO_STOP)
    assert rig.engine.one("stop")["reason"] == DELETED
    assert rig.engine.one("stop")["exit_status"] == "fail"
    scan.end()


def test_points_that_redis_has_removed_are_counted(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    for number in range(6):
        scan.send(**readings(number, 1))
    key = scan.streams["vmp:I"]._event_stream.key
    rig.bliss.store._redis.xtrim(key, minid="4-0", approximate=False)
    scans = rig.scans()
    scans.update(NO_STOP)
    scan.end()
    scans.update(NO_STOP)
    assert rig.engine.times == [T0 + 4, T0 + 5]
    assert "4 points were removed from Redis before they were read" in rig.said[-1]


def test_a_channel_that_runs_ahead_is_not_read_without_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "MOST_WAITING", 20)
    monkeypatch.setattr(points, "STEP", 3)
    scan = rig.bliss.scan({EPOCH: "s", "vmp:I": "mA"})
    scans = rig.scans(CounterNames({"current_mA": "vmp:I"}))
    for number in range(0, 100, 10):
        scan.send(epoch=T0 + np.arange(number, number + 10))
    for _ in range(5):
        scans.update(NO_STOP)
    (feed,) = scans._feeds.values()
    held = [one.values.size for one in feed._points._series]
    assert sorted(held) == [0, 30]
    scan.send(I=np.arange(100.0))
    scan.end()
    scans.update(NO_STOP)
    assert rig.engine.times == list(T0 + np.arange(100.0))
    assert rig.engine.column("vmp_current") == list(np.arange(100.0))


def test_many_points_travel_in_several_documents(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**readings(0, 1201))
    rig.scans().update(NO_STOP)
    assert [len(page["time"]) for page in rig.engine.pages] == [500, 500, 201]
    assert rig.engine.times == list(T0 + np.arange(1201))


def test_times_that_are_none_cost_the_scan_and_are_said(rig: Rig) -> None:
    wrong = rig.bliss.scan({"timer:elapsed_time": "s", "vmp:I": "A"})
    wrong.send(elapsed_time=[0.0, 1.0], I=[1e-3, 1e-3])
    names = CounterNames({"current_mA": "vmp:I"}, time="timer:elapsed_time")
    scans = rig.scans(names)
    scans.update(NO_STOP)
    assert rig.engine.documents == []
    assert rig.said[-1] == (
        "scan 1 (timescan 1): counter timer:elapsed_time counts no seconds since 1970; name the "
        "counter with the times of the points with --time; the rest of it is not published"
    )


def test_a_point_without_a_time_is_left_out_and_counted(rig: Rig) -> None:
    scan = rig.bliss.scan(UNITS)
    scan.send(**{**readings(0, 3), "epoch": [T0, np.nan, T0 + 2]})
    scans = rig.scans()
    scans.update(NO_STOP)
    scan.end()
    scans.update(NO_STOP)
    assert rig.engine.times == [T0, T0 + 2]
    assert rig.said[-1].endswith("2 readings published; 1 points have no time")


def test_what_is_no_scan_costs_itself_alone(rig: Rig) -> None:
    good = rig.bliss.scan(UNITS)
    good.send(**readings(0, 1))
    redis = rig.bliss.store._redis
    redis.json().set("esrf:scan:odd", ".", {"id": {"number": "none"}, "data_streams": []})
    redis.xadd("_SCAN_HISTORY_", {"key": "esrf:scan:odd"})
    redis.xadd("_SCAN_HISTORY_", {"key": "esrf:scan:absent"})
    redis.xadd("_SCAN_HISTORY_", {"something": "else"})
    later = rig.bliss.scan(UNITS)
    later.send(**readings(1, 1))
    stream = later.streams["vmp:I"]._event_stream.key
    redis.xadd(stream, {"payload": b"abc"}, id="9-1")
    scans = rig.scans()
    scans.update(NO_STOP)
    scans.update(NO_STOP)
    assert rig.engine.times[:1] == [T0]
    assert any("the description of esrf:scan:odd cannot be read" in line for line in rig.said)
    assert any("counter vmp:I: 1 points in 3 bytes, expected float64" in line for line in rig.said)
