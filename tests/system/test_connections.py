"""A real engine whose producers send what is too long: it is told, recorded, and replayed alike."""

import time
from pathlib import Path

import zmq

from monitor import settings as settings_file
from monitor.core.session import Session
from monitor.recording.read.experiment import open_experiment
from monitor.recording.read.past_events import past_of
from monitor.recording.replay import replay_records
from monitor.records import Event
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S
from tests.system import running

TOLD = ("connection", "alarm", "alarm_ended")


def test_what_is_too_long_costs_no_scan_but_itself(tmp_path):
    config = running.write_config(
        tmp_path, requests={"backend": "none"}, feeds={"max_slice_Mpx": 1.0}
    )
    settings = settings_file.load(config)
    context = zmq.Context()
    producer, proxy = context.socket(zmq.XPUB), context.socket(zmq.XPUB)
    producer.bind(settings.feeds.slices[0])
    proxy.bind(settings.feeds.documents[0])
    try:
        with running.engine(config) as (process, watcher):

            def until(met):
                return watcher.until(met, PATIENCE_S, lambda: process.poll() is None)

            def told(seen, kind, **facts):
                return [
                    event
                    for event in seen["events"]
                    if event["type"] == kind and facts.items() <= event.items()
                ]

            assert producer.poll(PATIENCE_MS)
            assert proxy.poll(PATIENCE_MS)
            running.send_scan(producer, 0, "before")
            until(lambda s: len(running.scans_done(s)) == 1)
            producer.send_multipart([b"{}", bytes(6 * 2**20)])
            proxy.send(b" event " + bytes(9 * 10**6))
            state = until(lambda s: len(told(s, "connection", state="back")) == 2)
            for name in ("feeds.slices", "feeds.documents"):
                (lost,) = told(state, "connection", state="lost", setting=name)
                assert lost["reason"] == "oversize"
                assert abs(lost["since"] - time.time()) < 120
            assert len(told(state, "alarm_ended")) == 2
            running.send_scan(producer, 1, "after")
            until(lambda s: s["recorder"]["scans"] == 2)
            folder = state["recorder"]["folder"]
    finally:
        context.destroy(linger=0)
    experiment = open_experiment(Path(folder))
    recorded = [o for o in past_of(experiment, ["A"]).outputs if isinstance(o, Event)]
    session = Session(experiment.settings)
    outputs = [o for _, record in replay_records(experiment) for o in session.feed(record)]
    again = {o.number: o for o in outputs if isinstance(o, Event)}
    for event in recorded:
        assert again[event.number].kind == event.kind
        if event.kind in TOLD:
            assert again[event.number].data == event.data
    assert [event.kind for event in recorded].count("connection") == 4
