"""Reading times as other people's feeds send them: the right number, or the cause named.

One engine with a cell for each situation. All is sent from the contract alone. A pulse of -1.384 mA
flows from 300 s to 600 s after scan 0, a reading every 10 s; scan 1 stands at 900 s. On a disc of
5 mm that is 2.848 µm.
"""

import json
import time

import numpy as np
import pytest
import zmq

from monitor import settings
from monitor.core.session import Session
from monitor.recording.read.experiment import open_experiment
from monitor.recording.read.past_events import past_of
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import verify
from monitor.records import CyclerClock, Event
from tests.system.running import PATIENCE_S, engine, scans_done, write_config

RIGHT_UM = 2.848
T0 = float(round(time.time())) - 1000.0
TIMES = [10.0 * n for n in range(91)]
SHAPE = (96, 64, 64)


def current(t):
    return -1.384 if 300 <= t < 600 else 0.0


class Run:
    """A run of a cell; `put` sends one event. `sent`: documents of all runs."""

    sent = 0

    def __init__(self, cycler, cell, number=1):
        self.uid, self.cell, self.socket = f"{cell}-{number}", cell, cycler
        self.seq = 0
        self.document("start", uid=self.uid, time=T0, cell=cell)
        self.document("descriptor", uid="d" + self.uid, run_start=self.uid, time=T0, data_keys={},
                      name="primary")  # fmt: skip

    def document(self, name, /, **doc):
        Run.sent += 1
        self.socket.send(b" " + name.encode() + b" " + json.dumps(doc).encode())

    def put(self, when, data, stamp=None, **more):
        self.seq += 1
        stamps = dict.fromkeys(data, when if stamp is None else stamp)
        doc = {"descriptor": "d" + self.uid, "uid": f"{self.uid}-{self.seq}", "time": when,
               "seq_num": self.seq, "data": data, "timestamps": stamps}  # fmt: skip
        self.document("event", **(doc | more))


def data(t):
    return {"vmp_potential": 2.1, "vmp_current": current(t)}


def stamped(stamp_of, **more):
    """Every reading with the stamp and the event time that `stamp_of` makes of its time."""

    def send(run):
        for t in TIMES:
            run.put(stamp_of(t), data(t), **more)

    return send


def still(run):
    for t in TIMES:
        run.put(T0 + t, data(t), stamp=T0)


def still_at_another_time(run):
    for t in TIMES:
        run.put(T0 + t, data(t), stamp=T0 - 86_400.0)


def split(run):
    for t in TIMES:
        run.put(T0 + t, {"vmp_potential": 2.1})
        run.put(T0 + t, {"vmp_current": current(t)})


def null_and_list(run):
    for t in TIMES:
        run.put(T0 + t, {"vmp_potential": None, "vmp_current": [current(t)]})


def text(run):
    for t in TIMES:
        run.put(T0 + t, {"vmp_potential": "2.1", "vmp_current": current(t)})


def back(t, hours=1.0):
    return T0 + t - (3600.0 * hours if t >= 200 else 0.0)


def back_without_numbers(run):
    for t in TIMES:
        run.put(back(t), data(t), seq_num=None)


def lost(run):
    run.document("descriptor", uid="d-of-a-lost-run", run_start="lost", time=T0, data_keys={})
    for n in range(10):
        run.put(T0 + n, data(n), descriptor="d-of-a-lost-run")


def page(run):
    """One row has no time, another a text."""
    currents = [current(t) for t in TIMES]
    times = [T0 + t for t in TIMES]
    times[5], currents[7] = None, "low"
    columns = {"vmp_current": currents, "vmp_potential": [2.1] * len(TIMES)}
    run.document("event_page", descriptor="d" + run.uid, uid=list(map(str, TIMES)), time=times,
                 seq_num=list(range(1, 92)), data=columns,
                 timestamps=dict.fromkeys(columns, times))  # fmt: skip


SENDS = {
    "good": stamped(lambda t: T0 + t),
    "since_boot": stamped(lambda t: 4711.0 + t),
    "since_start": stamped(lambda t: t),
    "ahead": stamped(lambda t: T0 + t + 7200),
    "behind": stamped(lambda t: T0 + t - 7200),
    "half_hour": stamped(lambda t: T0 + t + 19_800),
    "epics": stamped(lambda t: T0 + t - 631_152_000),
    "labview": stamped(lambda t: T0 + t + 2_082_844_800),
    "ms": stamped(lambda t: 1e3 * (T0 + t)),
    "us": stamped(lambda t: 1e6 * (T0 + t)),
    "still": still,
    "still_elsewhere": still_at_another_time,
    "split": split,
    "null": null_and_list,
    "text": text,
    "back": stamped(back),
    "back_unnumbered": back_without_numbers,
    "jump": stamped(lambda t: T0 + t + (3600.0 if t >= 200 else 0.0)),
    "lost": lost,
    "page": page,
}
RIGHT = [
    "good", "ms", "us", "still", "still_elsewhere", "split", "null", "text", "back", "page",
]  # fmt: skip
NAMED = {
    "since_boot": ("time_counter", ("time.monotonic", "clock_offset_s")),
    "since_start": ("time_counter", ("not since 1970", "clock_offset_s")),
    "ahead": ("clock_ahead", ("2 h", "`clock_offset_s` = -7200 ")),
    "behind": ("clock_behind", ("2 h", "`clock_offset_s` = 7200 ")),
    "half_hour": ("clock_ahead", ("5.5 h", "`clock_offset_s` = -19800 ")),
    "epics": ("time_epoch", ("1990", "`clock_offset_s` = 631152000 ")),
    "labview": ("time_epoch", ("1904", "`clock_offset_s` = -2082844800 ")),
    "ms": ("time_unit", ("milliseconds",)),
    "us": ("time_unit", ("microseconds",)),
    "still": ("time_still", ("stay at",)),
    "still_elsewhere": ("time_still", ("stay at",)),
    "back": ("clock_set", ("set back by 3600 s", "`clock_offset_s` = 3600 ")),
    "back_unnumbered": ("readings_refused", ("`clock_offset_s` = 3600",)),
    "jump": ("clock_set_ahead", ("skip 1 h", "`clock_offset_s` = -3600 ")),
}


def volume(scan):
    z = np.arange(SHAPE[0])[:, None, None]
    upper = np.clip(z - 65 + RIGHT_UM * scan, 0, 1)
    clean = 900 - 700 * np.clip(z - 19.5, 0, 1) + 300 * upper + np.zeros(SHAPE)
    return (clean + np.random.default_rng(scan).normal(0, 60, SHAPE)).astype("<u2")


def send_scans(slices, cells):
    """Scans 0 and 1 of every cell."""
    planes = [[plane.tobytes() for plane in volume(scan)] for scan in range(2)]
    for cell in cells:
        number = iter(range(1000))
        for scan in range(2):
            common = {"stream": cell, "cell": cell, "scan": scan}
            at = T0 + 900.0 * scan
            header = common | {
                "htype": "header", "reason": "periodic" if scan else "reference", "axis": "z",
                "msg_number": next(number), "volume_shape": SHAPE, "type": "uint16",
                "voxel_size_um": [1, 1, 1], "start_time": at, "stop_time": at,
            }  # fmt: skip
            slices.send(json.dumps(header).encode())
            for frame, plane in enumerate(planes[scan]):
                image = common | {"htype": "image", "msg_number": next(number), "frame": frame,
                                  "shape": SHAPE[1:], "type": "uint16"}  # fmt: skip
                slices.send_multipart([json.dumps(image).encode(), plane])
            end = common | {"htype": "series_end", "msg_number": next(number), "slices": SHAPE[0]}
            slices.send(json.dumps(end).encode())


def bound(context, address):
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.XPUB_NODROP, 1)
    socket.bind(address)
    assert socket.poll(int(1000 * PATIENCE_S)) and socket.recv() == b"\1"
    return socket


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """(state at the end, alarms by cell, folder) of all situations."""
    folder = tmp_path_factory.mktemp("times")
    cells = [{"name": name, "electrode_diameter_mm": 5.0} for name in SENDS]
    path = write_config(folder, cells=cells, requests={"backend": "none"})
    table = settings.load(path)
    with zmq.Context() as context, engine(path) as (process, watcher):
        documents = bound(context, table.feeds.documents[0])
        slices = bound(context, table.feeds.slices[0])
        for cell, send in SENDS.items():
            send(Run(documents, cell))
        watcher.until(
            lambda s: s["feeds"]["documents"]["messages"] == Run.sent,
            PATIENCE_S,
            lambda: process.poll() is None,
        )
        send_scans(slices, SENDS)

        def alarms(state):
            found = {name: [] for name in SENDS}
            for event in state["events"]:
                if event["type"] == "alarm":
                    found[event["cell"]].append(event)
            return found

        def all_there(state):
            if any(len(scans_done(state, name)) < 2 for name in SENDS):
                return False
            known = alarms(state)
            return all(
                NAMED[n][0] in [a.get("condition") for a in known[n]] for n in NAMED
            )  # fmt: skip

        state = watcher.until(all_there, PATIENCE_S, lambda: process.poll() is None)
        found = alarms(state)
        documents.close(linger=0)
        slices.close(linger=0)
    yield state, found, next((folder / "runs").iterdir())


def coulometry(state, cell):
    return scans_done(state, cell)[1]["coulometry_um"]


@pytest.mark.parametrize("cell", RIGHT)
def test_the_number_is_right(told, cell):
    assert coulometry(told[0], cell) == pytest.approx(RIGHT_UM, abs=0.05)


@pytest.mark.parametrize("cell", NAMED)
def test_the_cause_is_named(told, cell):
    condition, words = NAMED[cell]
    named = [a for a in told[1][cell] if a.get("condition") == condition]
    assert len(named) == 1, told[1][cell]
    for word in words:
        assert word in named[0]["text"]
    conditions = {a.get("condition") for a in told[1][cell]}
    assert conditions - {"closure"} == {condition}, "one cause"


@pytest.mark.parametrize("cell", ["good", "split", "null", "text", "page"])
def test_what_is_right_raises_no_alarm(told, cell):
    assert told[1][cell] == []


def test_what_is_not_used_is_counted_and_named(told):
    state = told[0]
    bad = state["feeds"]["documents"]["bad"]
    assert bad["unknown_run"] == 10
    assert bad["bad_value"] == len(TIMES) + 1
    assert bad["out_of_order"] == sum(t >= 200 for t in TIMES)
    texts = [e["text"] for e in state["events"] if e["type"] == "bad_message"]
    assert any("'vmp_potential'" in text for text in texts)
    assert any("run whose start document was not received" in text for text in texts)


def test_the_recording_has_every_reading_that_counts(told):
    assert [f for f in verify(told[2]).found if f.severity == "error"] == []


def test_a_replay_tells_the_same(told):
    """What the clock of the machine said is in the journal."""
    recorded = open_experiment(told[2])
    session, records = Session(recorded.settings), [r for _, r in replay_records(recorded)]
    again = [o for record in records for o in session.feed(record) if isinstance(o, Event)]
    alarms = {o.number: o for o in again if o.kind.startswith("alarm")}
    past = [o for o in past_of(recorded, list(SENDS)).outputs if isinstance(o, Event)]
    assert alarms == {o.number: o for o in past if o.kind.startswith("alarm")}
    assert any(isinstance(record, CyclerClock) for record in records)
