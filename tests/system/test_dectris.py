"""Two producers of the same scans at one engine, one in each codec: the same maps, bit for bit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import h5py
import hdf5plugin  # noqa: F401  (the slices are compressed with it)
import numpy as np
import pytest

from monitor.processes import free_addresses
from monitor.records import ScanEnd, ScanKey, ScanStart, SliceFrame
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import SliceSocket
from monitor.wire.slices import stins
from tests.helpers import dectris_stream
from tests.system.contract_producer import SHAPE, volume
from tests.system.running import PATIENCE_S, engine, launch, scans_done, write_config

CODECS = {"A": stins, "B": dectris_stream}
SCANS = 3
LOST = (1, 40)
"""Scan and slice of B that get lost on the way."""


def send(codec: ModuleType, cell: str, socket: SliceSocket, service: ResendService) -> None:
    """All scans of a cell; every other slice compressed. LOST is only kept, to be asked for."""
    number = 0
    for scan in range(SCANS):
        start = ScanStart(
            ScanKey(cell, "", scan), f"s-{cell}", number, "periodic" if scan else "reference", "",
            "z", SHAPE, "uint16", (1.0, 1.0, 1.0), 1800.0 * scan, 1800.0 * scan, service.address,
        )  # fmt: skip
        frames = codec.encode_start(start)
        service.keep(start, frames)
        socket.send(frames)
        for index, pixels in enumerate(volume(scan)):
            number += 1
            image = SliceFrame(cell, scan, f"s-{cell}", number, index, pixels)
            frames = codec.encode_slice(image, "bslz4" if index % 2 else "none")
            service.keep(image, frames)
            if (cell, scan, index) != ("B", *LOST):
                socket.send(frames)
        socket.send(codec.encode_end(ScanEnd(cell, scan, f"s-{cell}", number + 1, SHAPE[0])))
        number += 2


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("codecs")
    addresses = free_addresses(4)
    config = write_config(
        folder, cells=[{"name": cell} for cell in CODECS], feeds={"slices": addresses[:2]}
    )
    with engine(config) as (process, watcher), ExitStack() as stack:
        sending = []
        for (cell, codec), address, again in zip(
            CODECS.items(), addresses[:2], addresses[2:], strict=True
        ):
            service = ResendService(again)
            stack.callback(service.close)
            socket = stack.enter_context(SliceSocket(address, 8192, threading.Event()))
            socket.wait_for_subscriber(PATIENCE_S)
            sending.append(threading.Thread(target=send, args=(codec, cell, socket, service)))
        for thread in sending:
            thread.start()
        for thread in sending:
            thread.join()
        state = watcher.until(
            lambda s: all(len(scans_done(s, cell)) == SCANS for cell in CODECS),
            PATIENCE_S,
            lambda: process.poll() is None,
        )
        assert state["feeds"]["slices"]["bad"] == {}
        assert all(scan["complete"] for cell in CODECS for scan in scans_done(state, cell))
    yield folder / "runs" / "demo"


def datasets(path: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        for group in ("interface", "pits", "summary", "reconstruction"):
            for name, item in file["entry"][group].items():
                if isinstance(item, h5py.Dataset):
                    found[f"{group}/{name}"] = np.asarray(item[()])
    return found


@pytest.mark.parametrize("scan", range(SCANS))
def test_the_maps_are_the_same_bit_for_bit(recording: Path, scan: int) -> None:
    name = f"scan_{scan:04d}.h5"
    one, other = datasets(recording / "A" / name), datasets(recording / "B" / name)
    np.testing.assert_array_equal(other["reconstruction/data"], volume(scan))
    assert np.isfinite(other["interface/height"]).mean() > 0.99
    assert one.keys() == other.keys() and len(one) > 20
    differing = {key for key in one if one[key].tobytes() != other[key].tobytes()}
    assert differing <= {"summary/slices_recovered"}


def test_the_lost_slice_came_when_it_was_asked_for(recording: Path) -> None:
    scan, index = LOST
    with h5py.File(recording / "B" / f"scan_{scan:04d}.h5") as file:
        ledger = file["entry/ledger/received"][()]
    assert ledger[index] == 2 and np.count_nonzero(ledger == 1) == SHAPE[0] - 1


def test_the_journal_says_in_the_same_keys_what_came(recording: Path) -> None:
    lines = (recording / "journal.jsonl").read_text().splitlines()
    headers = [entry["header"] for entry in map(json.loads, lines) if "header" in entry]
    images = [h for h in headers if h["htype"] == "image" and (h["scan"], h["frame"]) == (1, 3)]
    first, second = sorted(images, key=lambda header: str(header["cell"]))
    assert second.pop("codec") == "dectris2"
    for key in ("cell", "stream", "pad"):
        first.pop(key, None), second.pop(key, None)
    assert first == second


def test_the_recording_is_whole_and_replays(recording: Path, tmp_path: Path) -> None:
    checked = launch("verify", str(recording))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    replay = launch("replay", str(recording), "--headless", "--out", str(tmp_path))
    assert replay.returncode == 0, replay.stderr
    for scan in range(SCANS):
        name = f"B/scan_{scan:04d}.h5"
        one, again = datasets(recording / name), datasets(tmp_path / "demo" / name)
        assert {k: v.tobytes() for k, v in one.items()} == {
            k: v.tobytes() for k, v in again.items()
        }
