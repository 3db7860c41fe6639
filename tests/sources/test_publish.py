"""Files published over real sockets on this machine, received by plain subscribers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zmq
from dranspose.data.stream1 import Stream1Packet

from monitor.errors import EngineUnreachable, SettingError, SourceError
from monitor.processes import free_addresses
from monitor.records import ResendEnd, ResendQuestion, ScanEnd, ScanStart, SliceFrame
from monitor.sources.publish import publish
from monitor.sources.volumes.volume import Volume, open_volumes
from monitor.wire import documents
from monitor.wire.resend import decode_answer, encode_question
from monitor.wire.slices import stins
from tests.helpers.listener import Listener
from tests.helpers.waiting import PATIENCE_MS
from tests.sources.cyclers.eclab.mpt_files import mpt_text

pytest.importorskip("bluesky")


@pytest.fixture
def listen() -> Iterator[Any]:
    listeners: list[Listener] = []

    def start(endpoint: str) -> Listener:
        listeners.append(Listener(endpoint))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def volumes(tmp_path: Path) -> list[Volume]:
    rng = np.random.default_rng(1)
    for index in range(2):
        data = rng.integers(0, 200, (5, 12, 9), np.uint8)
        tifffile.imwrite(tmp_path / f"step_{index}.tif", data, photometric="minisblack")
    return open_volumes([tmp_path / "step_0.tif", tmp_path / "step_1.tif"])


def is_end_of_scan(scan: int) -> Any:
    def done(messages: list[list[bytes]]) -> bool:
        headers = [json.loads(frames[0]) for frames in messages]
        return any(h["htype"] == "series_end" and h["scan"] == scan for h in headers)

    return done


def test_volumes_arrive_as_valid_scans_with_unknown_voxel_size(
    volumes: list[Volume], listen: Any
) -> None:
    (endpoint,) = free_addresses(1)
    listener = listen(endpoint)
    seen: list[tuple[str, int, int]] = []
    publish(volumes, cell="B", endpoint=endpoint, progress=lambda *args: seen.append(args))
    listener.wait(is_end_of_scan(1))

    headers = [json.loads(frames[0]) for frames in listener.messages]
    for header in headers:
        Stream1Packet.validate_python(header)
    assert [header["msg_number"] for header in headers] == list(range(14))
    assert len({header["stream"] for header in headers}) == 1
    records = [stins.decode(frames) for frames in listener.messages]
    starts = [record for record in records if isinstance(record, ScanStart)]
    assert [(s.key.cell, s.key.scan, s.reason) for s in starts] == [
        ("B", 0, "reference"),
        ("B", 1, "periodic"),
    ]
    assert starts[0].voxel_size_um is None
    assert headers[0]["voxel_size_um"] is None
    assert starts[0].key.run == starts[1].key.run != ""
    assert starts[1].start_time - starts[0].start_time == pytest.approx(1800.0)
    assert starts[0].start_time < starts[0].stop_time < starts[1].start_time
    assert [record.slices for record in records if isinstance(record, ScanEnd)] == [5, 5]
    frames = [record for record in records if isinstance(record, SliceFrame)]
    sent = [plane for volume in volumes for plane in volume.slices()]
    assert [frame.frame for frame in frames] == [0, 1, 2, 3, 4] * 2
    for frame, plane in zip(frames, sent, strict=True):
        np.testing.assert_array_equal(frame.data, plane)
    assert seen[-1][1:] == (10, 10)


def test_given_voxel_size_is_sent(volumes: list[Volume], listen: Any) -> None:
    (endpoint,) = free_addresses(1)
    listener = listen(endpoint)
    publish(volumes[:1], voxel_um=0.717, endpoint=endpoint, compression="bslz4")
    listener.wait(is_end_of_scan(0))
    records = [stins.decode(frames) for frames in listener.messages]
    assert records[0].voxel_size_um == (0.717, 0.717, 0.717)
    np.testing.assert_array_equal(records[1].data, next(volumes[0].slices()))


@pytest.mark.parametrize(
    ("sizes", "given", "told"),
    [
        ((None, None), None, ("one: its voxel size is not known", "two: its voxel size is not")),
        ((0.65, 0.65), None, ()),
        ((0.65, 0.6500001), None, ()),
        ((0.65, 1.3), None, ("two: voxel size is 1.3 µm, that of one is 0.65 µm",)),
        ((None, 1.3), None, ("one: its voxel size is not", "two: voxel size is 1.3 µm, that of")),
        ((650.0, 650.0), None, ("one: voxel size is 650 µm: is it in another unit", "two: voxel")),
        ((0.65, 1.3), 0.5, ()),
        ((0.65, 0.65), 6.5e-7, ("voxel size is 6.5e-07 µm: is it in another unit",)),
    ],
)
def test_what_is_doubtful_of_voxel_sizes_is_said(
    sizes: tuple[float | None, float | None],
    given: float | None,
    told: tuple[str, ...],
    volumes: list[Volume],
    listen: Any,
) -> None:
    (endpoint,) = free_addresses(1)
    listener = listen(endpoint)
    made = [
        replace(volume, name=name, voxel_size_um=side and (side,) * 3)
        for volume, name, side in zip(volumes, ("one", "two"), sizes, strict=True)
    ]
    said: list[str] = []
    publish(made, voxel_um=given, endpoint=endpoint, progress=lambda text, *_: said.append(text))
    lines = [text for text in said if "voxel size" in text]
    assert len(lines) == len(told)
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True))
    listener.wait(is_end_of_scan(1))
    headers = [json.loads(frames[0]) for frames in listener.messages]
    starts = [header["voxel_size_um"] for header in headers if header["htype"] == "header"]
    if sizes == (0.65, 0.6500001):
        assert starts[0] == starts[1]  # maps are compared only if it is the same number


def test_what_was_published_can_be_asked_for_again(volumes: list[Volume], listen: Any) -> None:
    endpoint, resend = free_addresses(2)
    listener = listen(endpoint)
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(resend)
        heard: list[Any] = []

        def ask(text: str, sent: int, total: int) -> None:
            if sent == 4:
                question = ResendQuestion("B", 0, (1, 3, 4), header=True)
                dealer.send(encode_question(question))
                while not heard or not isinstance(heard[-1], ResendEnd):
                    assert dealer.poll(PATIENCE_MS)
                    heard.append(decode_answer(dealer.recv_multipart()))

        publish(volumes[:1], cell="B", endpoint=endpoint, resend=resend, progress=ask)
        listener.wait(is_end_of_scan(0))
    start = stins.decode(listener.messages[0])
    assert isinstance(start, ScanStart) and start.resend == resend
    first, *slices, end = heard
    assert first == start and end.frames == (4,), "not sent yet"
    assert [record.frame for record in slices] == [1, 3]
    np.testing.assert_array_equal(slices[0].data, list(volumes[0].slices())[1])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["own", "scaled"])
def test_all_readings_arrive_once_in_time_order_and_span_the_scans(
    mode: Any, volumes: list[Volume], listen: Any, tmp_path: Path
) -> None:
    count = 120
    path = tmp_path / "cycler.mpt"
    path.write_bytes(mpt_text(rows=count, step_s=10.0))
    slices, into, out = free_addresses(3)
    listener, docs = listen(slices), listen(out)
    publish(
        volumes,
        endpoint=slices,
        cycler=path,
        cycler_time=mode,
        scan_interval_s=600.0,
        documents_in=into,
        documents_out=out,
    )
    docs.wait(lambda messages: any(b" stop " in frames[0] for frames in messages))
    listener.wait(is_end_of_scan(1))

    received = [documents.decode(frames[0]) for frames in docs.messages]
    assert [document.name for document in received[:2]] == ["start", "descriptor"]
    assert received[-1].name == "stop"
    assert received[-1].doc["exit_status"] == "success"
    assert received[0].doc["cell"] == "A"
    events = [document.doc for document in received if document.name == "event"]
    assert [event["seq_num"] for event in events] == list(range(1, count + 1))
    first = 1704884549.886  # 2024-01-10 11:02:29.886 UTC
    np.testing.assert_allclose([event["time"] for event in events], first + 10.0 * np.arange(count))
    assert events[3]["data"]["vmp_current"] == pytest.approx(-0.25)
    assert events[3]["data"]["vmp_step"] == 1.0

    starts = [stins.decode(frames) for frames in listener.messages if b'"header"' in frames[0]]
    assert starts[0].key.run == received[0].doc["uid"]
    assert starts[0].start_time == pytest.approx(first)
    last = first + 10.0 * (count - 1)
    if mode == "own":
        assert starts[1].start_time == pytest.approx(first + 600.0)
    else:
        assert starts[1].stop_time == pytest.approx(last)


@pytest.mark.slow
def test_readings_run_with_the_wall_clock_between_scans(
    volumes: list[Volume], listen: Any, tmp_path: Path
) -> None:
    path = tmp_path / "cycler.mpt"
    path.write_bytes(mpt_text(rows=20, step_s=10.0))
    slices, into, out = free_addresses(3)
    listener, docs = listen(slices), listen(out)
    counts: list[int] = []

    def note(_text: str, sent: int, _total: int) -> None:
        if sent == 6:  # the first slice of the second scan
            # those that have left are on their way, and no more leave meanwhile
            docs.wait(lambda messages: sum(b" event " in m[0] for m in messages) >= 15)
            counts.append(sum(b" event " in frames[0] for frames in docs.messages))

    publish(
        volumes,
        endpoint=slices,
        cycler=path,
        cycler_time="scaled",
        period_s=1.0,
        documents_in=into,
        documents_out=out,
        progress=note,
    )
    listener.wait(is_end_of_scan(1))
    # Two scans span 190 s, the second begins at 190·10/11 = 172.7 s: 17 readings well before it.
    assert counts[0] >= 15


@pytest.mark.slow
@pytest.mark.parametrize("forever", [False, True])
def test_readings_that_are_appended_meanwhile_arrive_too(
    forever: bool, volumes: list[Volume], listen: Any, tmp_path: Path
) -> None:
    path = tmp_path / "cycler.mpt"
    path.write_bytes(mpt_text(rows=10))
    slices, into, out = free_addresses(3)
    listener, docs = listen(slices), listen(out)
    stop = threading.Event()

    def append(first: int) -> None:
        rows = mpt_text(rows=5, first_row=first, header=None).split(b"\n", 1)[1]
        with path.open("ab") as file:
            file.write(rows)

    def note(_text: str, sent: int, _total: int) -> None:
        if sent == 6:  # the first slice of the second scan
            append(10)

    def later() -> None:
        listener.wait(is_end_of_scan(1))
        append(15)
        docs.wait(lambda messages: sum(b" event " in m[0] for m in messages) == 20)
        stop.set()

    helper = threading.Thread(target=later, daemon=True)
    if forever:
        helper.start()
    publish(
        volumes,
        endpoint=slices,
        cycler=path,
        follow=forever,
        documents_in=into,
        documents_out=out,
        stop=stop,
        progress=note,
    )
    docs.wait(lambda messages: any(b" stop " in frames[0] for frames in messages))
    received = [documents.decode(frames[0]) for frames in docs.messages]
    events = [document.doc for document in received if document.name == "event"]
    count = 20 if forever else 15
    first = 1704884549.886  # 2024-01-10 11:02:29.886 UTC
    np.testing.assert_allclose([event["time"] for event in events], first + 10.0 * np.arange(count))
    assert received[-1].doc["exit_status"] == "success"


def test_a_wrong_start_is_said_before_anything_else(volumes: list[Volume], tmp_path: Path) -> None:
    said: list[object] = []
    path = tmp_path / "cycler.mpt"
    path.write_bytes(mpt_text(rows=3))
    with pytest.raises(SettingError, match="follow: got None"):
        publish(volumes, follow=True, progress=lambda *args: said.append(args))
    with pytest.raises(SettingError, match="cell: got ''"):
        publish(volumes, cell="", progress=lambda *args: said.append(args))
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        taken, into, out = f"tcp://127.0.0.1:{port}", *free_addresses(2)
        with pytest.raises(SettingError, match="Address already in use"):
            publish(
                volumes,
                endpoint=taken,
                cycler=path,
                documents_in=into,
                documents_out=out,
                progress=lambda *args: said.append(args),
            )
    assert said == []


def test_an_unreadable_slice_closes_its_scan_and_names_itself(
    tmp_path: Path, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a volume that is too large to be read before it is sent."""
    monkeypatch.setattr("monitor.sources.volumes.volume.CHECKED_BYTES", 0)
    data = np.ones((4, 6, 6), np.float32)
    data[2, 1, 1] = np.nan
    tifffile.imwrite(tmp_path / "holes.tif", data, photometric="minisblack")
    (endpoint,) = free_addresses(1)
    listener = listen(endpoint)
    with pytest.raises(SourceError, match=r"holes\.tif: slice 2 has 1 pixels that are not finite"):
        publish(open_volumes([tmp_path / "holes.tif"]), endpoint=endpoint)
    listener.wait(is_end_of_scan(0))
    kinds = [json.loads(frames[0])["htype"] for frames in listener.messages]
    assert kinds == ["header", "image", "image", "series_end"]


def test_stop_ends_the_publication(volumes: list[Volume], listen: Any) -> None:
    (endpoint,) = free_addresses(1)
    listener = listen(endpoint)
    stop = threading.Event()

    def stop_after_three(_text: str, sent: int, _total: int) -> None:
        if sent == 3:
            stop.set()

    publish(volumes, endpoint=endpoint, period_s=60.0, stop=stop, progress=stop_after_three)
    assert sum(b'"image"' in frames[0] for frames in listener.messages) <= 3


def test_nobody_listening_is_said(volumes: list[Volume]) -> None:
    (endpoint,) = free_addresses(1)
    with pytest.raises(EngineUnreachable, match="no engine subscribed within"):
        publish(volumes, endpoint=endpoint, subscriber_wait_s=0.1)


def test_an_address_in_use_is_said(volumes: list[Volume]) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    try:
        with pytest.raises(SettingError, match="Address already in use"):
            publish(volumes, endpoint=f"tcp://127.0.0.1:{port}")
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"voxel_um": -1.0}, "voxel size"),
        ({"period_s": float("nan")}, "period"),
        ({"scan_interval_s": 0.0}, "scan interval"),
    ],
)
def test_wrong_numbers_stop_the_start(
    settings: dict[str, float], expected: str, volumes: list[Volume]
) -> None:
    with pytest.raises(SettingError, match=expected):
        publish(volumes, **settings)


def test_slices_of_different_shapes_are_refused(volumes: list[Volume], tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "other.tif", np.zeros((5, 4, 4), np.uint8), photometric="minisblack"
    )
    with pytest.raises(SourceError, match="one shape"):
        publish([*volumes, *open_volumes([tmp_path / "other.tif"])])
