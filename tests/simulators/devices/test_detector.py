"""The detector by itself: staging, stopping, what it describes, the files it writes."""

import threading
import time
from collections.abc import Iterator

import h5py
import numpy as np
import pytest
from event_model import DocumentNames, schema_validators
from ophyd.device import RedundantStaging
from ophyd.utils import StatusTimeoutError

from monitor.records import ScanEnd, ScanStart, SliceFrame
from simulators.devices.detector import Tomograph
from simulators.devices.scan import ScanCut, ScanOrder
from simulators.truth.protocol import CellTime
from tests.simulators.rig import BEGIN, SCAN_S, SMALL, Slices, device

FAST = 1e6


class Gated(Slices):
    """A slice stream that is full after `room` messages, and has room again when that grows."""

    room = 4

    def send(self, frames, stop) -> bool:
        while len(self.records) >= self.room and not stop.is_set():
            time.sleep(0.001)
        return super().send(frames, stop)


@pytest.fixture
def slices() -> Slices:
    return Slices()


@pytest.fixture
def detector(slices) -> Iterator[Tomograph]:
    one = device(CellTime(BEGIN), slices, speed=FAST)
    yield one
    one.unstage()


def made(detector: Tomograph, scan: int = 0, run: str = "run") -> None:
    detector.prepare(ScanOrder(run, scan, "periodic"))
    detector.trigger().wait(60.0)


def test_one_scan_goes_out_whole(detector, slices):
    detector.stage()
    made(detector, 7)
    (start,), (end,) = slices.of(ScanStart), slices.of(ScanEnd)
    assert (start.key.scan, start.start_time, start.stop_time) == (7, BEGIN, BEGIN + SCAN_S)
    assert [frame.frame for frame in slices.of(SliceFrame)] == list(range(40))
    assert (end.scan, end.slices, end.msg_number) == (7, 40, 41)
    read = detector.read()
    assert read["id15a_scan"] == {"value": 7, "timestamp": BEGIN + SCAN_S}
    assert list(read) == list(detector.describe())


def test_it_says_what_is_missing_before_a_trigger(detector):
    detector.prepare(ScanOrder("", 0, "periodic"))
    with pytest.raises(RuntimeError, match=r"unstaged device, expected a staged one; stage it"):
        detector.trigger()
    detector.stage()
    with pytest.raises(RuntimeError, match=r"no order, expected a prepared scan; call prepare"):
        detector.trigger()
    with pytest.raises(RedundantStaging):
        detector.stage()


def test_one_scan_at_a_time():
    slices = Gated()
    detector = device(CellTime(BEGIN), slices, speed=FAST)
    detector.stage()
    detector.prepare(ScanOrder("", 3, "periodic"))
    status = detector.trigger()
    detector.prepare(ScanOrder("", 4, "periodic"))
    with pytest.raises(RuntimeError, match="while scan 3 runs, expected one scan at a time"):
        detector.trigger()
    slices.room = 100
    status.wait(60.0)
    detector.unstage()


@pytest.mark.parametrize("success", [True, False])
def test_stop_ends_a_scan_promptly_and_fakes_no_end(success):
    slices = Gated()
    detector = device(CellTime(BEGIN), slices, speed=FAST)
    detector.stage()
    detector.prepare(ScanOrder("", 0, "periodic"))
    status = detector.trigger()
    deadline = time.monotonic() + 60.0
    while len(slices.records) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    detector.stop(success=success)
    with pytest.raises(ScanCut, match="scan 0 was cut after 3 of 40 slices"):
        status.wait(60.0)
    assert len(slices.of(SliceFrame)) == 3 and not slices.of(ScanEnd)
    slices.room = 100
    made(detector, 1)
    assert [end.scan for end in slices.of(ScanEnd)] == [1]
    numbers = [record.msg_number for record in slices.records]
    assert numbers == sorted(set(numbers))
    detector.unstage()


def test_unstaging_and_the_beamline_s_stop_end_a_scan_too():
    for end in ("unstage", "beamline"):
        stop = threading.Event()
        detector = device(CellTime(BEGIN), Gated(), speed=FAST, stop=stop)
        detector.stage()
        detector.prepare(ScanOrder("", 0, "periodic"))
        status = detector.trigger()
        detector.unstage() if end == "unstage" else stop.set()
        with pytest.raises(ScanCut, match="stopped"):
            status.wait(60.0)
        detector.unstage()
        detector.unstage()


def test_a_scan_that_lasts_too_long_fails_and_is_over():
    slices = Gated()
    detector = device(CellTime(BEGIN), slices, speed=FAST, timeout_s=0.1)
    detector.stage()
    detector.prepare(ScanOrder("", 0, "periodic"))
    with pytest.raises(StatusTimeoutError):
        detector.trigger().wait(60.0)
    detector.unstage()
    assert not slices.of(ScanEnd)


def test_configuration_says_what_it_is_measured_in(detector):
    configuration, described = detector.read_configuration(), detector.describe_configuration()
    assert list(configuration) == list(described)
    assert configuration["id15a_voxel_size"]["value"] == [SMALL.voxel_um] * 3
    assert configuration["id15a_volume_shape"]["value"] == [40, 64, 64]
    assert configuration["id15a_scan_length"]["value"] == SCAN_S
    assert {key: entry.get("units") for key, entry in described.items()} == {
        "id15a_cell": None,
        "id15a_voxel_size": "um",
        "id15a_volume_shape": "voxels",
        "id15a_pixel_type": None,
        "id15a_slice_axis": None,
        "id15a_scan_length": "s",
    }
    assert described["id15a_volume_shape"]["dtype_numpy"] == "<i8"
    assert detector.hints == {"fields": ["id15a_scan"]}


@pytest.mark.parametrize("axis", ["z", "y"])
def test_each_volume_has_a_file_and_documents_of_its_own(slices, tmp_path, axis):
    imaging = SMALL.__class__(slices=40, collector_slices=8.0, axis=axis)
    folder = tmp_path / "more" / "volumes"
    detector = device(CellTime(BEGIN), slices, speed=FAST, volumes=folder, imaging=imaging)
    detector.stage()
    made(detector, 0)
    documents = list(detector.collect_asset_docs())
    made(detector, 1)
    documents += detector.collect_asset_docs()
    assert list(detector.collect_asset_docs()) == []
    made(detector, 2, "another run")
    documents += detector.collect_asset_docs()
    assert [name for name, _ in documents] == ["stream_resource", "stream_datum"] * 3
    for name, doc in documents:
        schema_validators[DocumentNames[name]].validate(doc)
    rows = [doc["indices"]["start"] for name, doc in documents if name == "stream_datum"]
    assert rows == [0, 1, 0]
    assert documents[0][1]["mimetype"] == "application/x-hdf5"
    sent = [frame.data for frame in slices.of(SliceFrame) if frame.scan == 1]
    with h5py.File(folder / "A_run_0001.h5") as file:
        volume = file["/entry/data/data"][0]
    assert volume.shape == tuple(detector.describe()["id15a_volume"]["shape"]) == (40, 64, 64)
    np.testing.assert_array_equal(np.moveaxis(volume, "zy".index(axis), 0), sent)
    detector.unstage()


def test_a_cut_scan_leaves_a_part_and_no_document(tmp_path):
    detector = device(CellTime(BEGIN), Gated(), speed=FAST, volumes=tmp_path)
    detector.stage()
    detector.prepare(ScanOrder("", 0, "periodic"))
    status = detector.trigger()
    detector.stop()
    with pytest.raises(ScanCut):
        status.wait(60.0)
    detector.unstage()
    assert [path.suffix for path in tmp_path.iterdir()] in ([".part"], [])
    assert list(detector.collect_asset_docs()) == []


def test_without_a_folder_no_volume_is_described(detector):
    assert "id15a_volume" not in detector.describe()
