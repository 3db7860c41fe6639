"""The whole simulated beamline over real sockets, small and fast."""

import itertools
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zmq
from dranspose.data.stream1 import Stream1Data, Stream1End, Stream1Packet, Stream1Start
from event_model import DocumentNames, schema_validators

from monitor.core.channels.documents import ChannelDocuments
from monitor.engine.requests.requester import Requester
from monitor.errors import SettingError
from monitor.records import (
    CyclerDocument,
    ResendEnd,
    ResendQuestion,
    ScanEnd,
    ScanReply,
    ScanRequest,
    ScanStart,
    SliceFrame,
)
from monitor.settings import RequestSettings, load
from monitor.wire.resend import decode_answer, encode_question
from simulators.build import FIRST_MOMENT
from simulators.devices.beam import Beam
from simulators.run import simulate
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S, eventually


@pytest.fixture(scope="module")
def plain_run(capture, quick_settings):
    return capture(quick_settings("paper-0.55", scans=2, seed=5))


def test_every_message_is_a_stins_packet_and_every_document_fits_its_schema(plain_run):
    kinds = Counter(type(Stream1Packet.validate_json(header)) for header, _ in plain_run.slices)
    assert kinds == {Stream1Start: 2, Stream1Data: 500, Stream1End: 2}
    records = [record for _, record in plain_run.slices]
    assert [record.msg_number for record in records] == list(range(504))
    assert len({record.stream for record in records}) == 1
    for name, document in plain_run.documents:
        schema_validators[DocumentNames[name]].validate(document)
    assert [name for name, _ in plain_run.documents if name in ("start", "stop")] == [
        "start",
        "stop",
    ]


def test_scans_and_readings_are_stamped_with_cell_time(plain_run):
    reference, periodic = plain_run.records(ScanStart)
    start = plain_run.documents[0][1]
    assert (start["cell"], start["scenario"]) == ("A", "paper-0.55")
    assert start["area_cm2"] == pytest.approx(0.19635, rel=1e-4)
    assert (reference.reason, periodic.reason) == ("reference", "periodic")
    assert reference.key.run == start["uid"]
    assert [s.start_time for s in (reference, periodic)] == [FIRST_MOMENT, FIRST_MOMENT + 1800]
    assert periodic.volume_shape == (250, 64, 64)
    readings = [
        doc for name, doc in plain_run.documents if name == "event" and "vmp_current" in doc["data"]
    ]
    stamps = np.array([doc["timestamps"]["vmp_current"] for doc in readings])
    np.testing.assert_allclose(np.diff(stamps), 60.0)
    assert all(doc["time"] == doc["timestamps"]["vmp_charge"] for doc in readings)
    stop = plain_run.documents[-1][1]
    assert FIRST_MOMENT + 2000 <= stop["time"] < FIRST_MOMENT + 2200


def test_the_ring_current_is_a_channel_of_the_example_settings(plain_run):
    """In a stream of the cell's run, with each reading, at cell time."""
    channels = ChannelDocuments(load(Path(__file__).parents[2] / "config" / "simulated.toml"))
    taken = [channels.take(CyclerDocument(*document)) for document in plain_run.documents]
    values = [value for one in taken for value in one.values]
    assert {(value.cell, value.name, value.unit) for value in values} == {
        ("", "ring_current", "mA")
    }
    assert all(197.0 < value.value <= 200.0 for value in values)
    assert values[0].time >= FIRST_MOMENT
    np.testing.assert_allclose(np.diff([value.time for value in values]), 60.0)
    assert [problem for one in taken for problem in one.problems] == []


def test_slices_can_be_asked_for_again_where_the_header_says(capture, quick_settings):
    settings = quick_settings("paper-0.55", scans=1)
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    answers = []

    def watch(record):
        if isinstance(record, ScanStart):
            assert record.resend == settings.simulator.resend
            dealer.connect(record.resend)
        elif isinstance(record, ScanEnd):
            dealer.send(encode_question(ResendQuestion("A", 0, (3, 249), header=True)))
            while not answers or not isinstance(answers[-1], ResendEnd):
                assert dealer.poll(PATIENCE_MS)
                answers.append(decode_answer(dealer.recv_multipart()))

    got = capture(settings, watch)
    context.destroy(linger=0)
    header, *slices, end = answers
    assert header == got.records(ScanStart)[0] and end.frames == ()
    sent = {record.frame: record for record in got.records(SliceFrame)}
    assert [record.frame for record in slices] == [3, 249]
    for record in slices:
        assert record.msg_number == sent[record.frame].msg_number
        np.testing.assert_array_equal(record.data, sent[record.frame].data)


def test_none_is_offered_where_there_is_no_address(capture, quick_settings):
    got = capture(quick_settings("paper-0.55", scans=1, resend=""))
    assert [start.resend for start in got.records(ScanStart)] == [""]


def test_current_begins_after_the_reference_and_is_negative(plain_run):
    reference = plain_run.records(ScanStart)[0]
    rows = [
        (doc["time"], doc["data"])
        for name, doc in plain_run.documents
        if name == "event" and "vmp_current" in doc["data"]
    ]
    assert all(row["vmp_current"] == 0.0 for t, row in rows if t <= reference.stop_time)
    assert rows[-1][1]["vmp_current"] == pytest.approx(-0.55 * 0.19635, rel=1e-4)
    assert rows[-1][1]["vmp_step"] == 1
    hours = (rows[-1][0] - reference.stop_time - 60.0) / 3600
    assert rows[-1][1]["vmp_charge"] == pytest.approx(-0.55 * 0.19635 * hours, rel=1e-4)
    assert all(1.5 < row["vmp_potential"] < 3.0 for _, row in rows)


@pytest.mark.slow
def test_a_request_during_a_scan_waits_and_is_answered(capture, quick_settings):
    settings = quick_settings("paper-0.55", scans=3, speed=1000.0)
    requester = Requester(RequestSettings(endpoint=settings.simulator.requests))
    replies = []

    def ask(record):
        if isinstance(record, SliceFrame) and (record.scan, record.frame) == (1, 10):
            for id_, reason in (("r1", "pit_onset"), ("r2", "manual")):
                requester.send(ScanRequest(id_, "A", reason, 0, {}))
            requester.send(ScanRequest("r3", "Z", "manual", 0, {}))
        replies.extend(requester.poll())

    got = capture(settings, ask)
    replies.extend(requester.poll())
    requester.close()
    scans = [(s.key.scan, s.reason, s.request) for s in got.records(ScanStart)]
    assert scans == [
        (0, "reference", ""),
        (1, "periodic", ""),
        (2, "extra", "r1"),
        (3, "manual", "r2"),
        (4, "periodic", ""),
    ]
    periodic = [s.start_time for s in got.records(ScanStart) if s.reason == "periodic"]
    assert periodic == [FIRST_MOMENT + 1800, FIRST_MOMENT + 3600]
    assert [(r.status, r.scan) for r in replies if r.id == "r1"] == [
        ("accepted", None),
        ("running", 2),
        ("done", 2),
    ]
    assert [(r.status, r.scan) for r in replies if r.id == "r2"] == [
        ("accepted", None),
        ("running", 3),
        ("done", 3),
    ]
    (refused,) = (r for r in replies if r.id == "r3")
    assert isinstance(refused, ScanReply)
    assert (refused.status, "cell 'Z'" in refused.why) == ("refused", True)


def test_the_last_scan_sees_the_whole_charge(capture, quick_settings):
    settings = quick_settings("paper-0.55", speed=1e6)
    got = capture(settings)
    starts = got.records(ScanStart)
    assert len(starts) == len(got.records(ScanEnd)) == 13
    charges = [
        (doc["time"], doc["data"]["vmp_charge"], doc["data"]["vmp_current"])
        for name, doc in got.documents
        if name == "event" and "vmp_charge" in doc["data"]
    ]
    at_rest = [row for row in charges if row[0] >= starts[-1].start_time]
    assert all(current == 0.0 for *_, current in at_rest)
    assert at_rest[0][1] == pytest.approx(-0.60, rel=1e-9)
    assert starts[-2].start_time < charges[-1][0] - 1000


def test_two_cells_take_turns_in_runs_of_their_own(capture, quick_settings):
    got = capture(quick_settings("two-cells", scans=2))
    starts = got.records(ScanStart)
    assert [(s.key.cell, s.start_time - FIRST_MOMENT) for s in starts] == [
        ("A", 0.0), ("B", 900.0), ("A", 1800.0), ("B", 2700.0),
    ]  # fmt: skip
    runs = {doc["cell"]: doc["uid"] for name, doc in got.documents if name == "start"}
    assert {s.key.cell: s.key.run for s in starts} == runs
    for cell in "AB":
        numbers = [r.msg_number for r in got.records(SliceFrame) if r.cell == cell]
        assert all(b > a for a, b in itertools.pairwise(numbers))
    stops = [doc["exit_status"] for name, doc in got.documents if name == "stop"]
    assert stops == ["success", "success"]


def test_it_stops_when_told_and_closes_its_runs(quick_settings, monkeypatch):
    settings = quick_settings("paper-0.23", speed=60.0)
    monkeypatch.setattr("simulators.run.SUBSCRIBER_PATIENCE_S", 0.1)
    context = zmq.Context()
    docs = context.socket(zmq.SUB)
    docs.subscribe(b"")
    docs.connect(settings.simulator.documents_out)
    stop, lines = threading.Event(), []
    beamline = threading.Thread(
        target=simulate, args=(settings,), kwargs={"stop": stop, "progress": lines.append}
    )
    beamline.start()
    eventually(lambda: len(lines) == 2)
    stop.set()
    beamline.join(PATIENCE_S)
    assert not beamline.is_alive()
    assert lines == [
        "no subscriber for the slices yet; starting anyway",
        "cell A: scan 0 (reference)",
    ]
    names = []
    while b"stop" not in names:
        assert docs.poll(PATIENCE_MS), names
        names.append(docs.recv().split(b" ", 2)[1])
    assert names[0] == b"start" and not docs.poll(500), "stop is the last"
    docs.close(0)
    context.term()


@pytest.mark.parametrize("end", ["slices", "resend", "requests", "documents_out"])
def test_an_address_in_use_stops_the_start(quick_settings, end):
    context = zmq.Context()
    taken = context.socket(zmq.REP)
    port = taken.bind_to_random_port("tcp://127.0.0.1")
    settings = quick_settings("paper-0.55", **{end: f"tcp://127.0.0.1:{port}"})
    with pytest.raises(SettingError, match=end):
        simulate(settings, progress=lambda text: None)
    taken.close(0)
    context.term()


def test_too_few_cells_for_the_scenario_stop_the_start(quick_settings):
    settings = quick_settings("two-cells")
    with pytest.raises(SettingError, match="expected 2 cells"):
        simulate(settings.model_copy(update={"cells": settings.cells[:1]}))


def test_documents_carry_no_name_that_the_reader_does_not_know(plain_run):
    assert {name for name, _ in plain_run.documents} == {"start", "descriptor", "event", "stop"}
    assert CyclerDocument(*plain_run.documents[0]).name == "start"


def test_volumes_are_kept_where_a_folder_is_set_and_told_of_in_cell_time(
    capture, quick_settings, tmp_path
):
    got = capture(quick_settings("two-cells", scans=1, volumes=str(tmp_path)))
    assert sorted(path.name[:2] for path in tmp_path.glob("*.h5")) == ["A_", "B_"]
    assert not list(tmp_path.glob("*.part"))
    for name, document in got.documents:
        schema_validators[DocumentNames[name]].validate(document)
        assert "time" not in document or document["time"] < FIRST_MOMENT + 86400
    resources = [doc for name, doc in got.documents if name == "stream_resource"]
    assert {doc["data_key"] for doc in resources} == {"id15a_volume"}
    datums = [doc for name, doc in got.documents if name == "stream_datum"]
    assert [doc["seq_nums"] for doc in datums] == [{"start": 1, "stop": 2}] * 2


def test_a_stop_ends_a_beamline_that_waits_for_beam(quick_settings, monkeypatch):
    monkeypatch.setattr("simulators.run.SUBSCRIBER_PATIENCE_S", 0.1)
    settings, beam = quick_settings("paper-0.23", speed=60.0), Beam(name="beam")
    stop, lines = threading.Event(), []
    beamline = threading.Thread(
        target=simulate,
        args=(settings,),
        kwargs={"stop": stop, "progress": lines.append, "beam": beam},
    )
    beamline.start()
    eventually(lambda: len(lines) == 2)
    beam.ring_current.put(0.0)
    time.sleep(0.5)
    stop.set()
    beamline.join(PATIENCE_S)
    assert not beamline.is_alive()
    assert [line for line in lines if "(" in line] == ["cell A: scan 0 (reference)"]
