"""Volumes published while nabu's own writers write them, received by a plain subscriber."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.processes import free_addresses
from monitor.records import ScanEnd, ScanStart, SliceFrame
from monitor.settings import FolderRules
from monitor.sources.publish_folder import publish_folder
from monitor.sources.volumes.volume import open_volumes
from monitor.wire.slices import stins
from tests.helpers.listener import Listener
from tests.helpers.waiting import eventually
from tests.sources.nabu_files import VOXEL_UM, Reconstruction

pytestmark = pytest.mark.slow

NZ, STEP = 12, 4
RULES = FolderRules(poll_s=0.02, quiet_s=600.0, slices=NZ)
LIVE = ("hdf5", "tiff", "edf", "vol", "tiff3d", "ome-zarr")


def volume(seed: int) -> Any:
    return np.random.default_rng(seed).random((NZ, 10, 8), dtype=np.float32)


class Received:
    """What a subscriber has received, decoded."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.failed: list[BaseException] = []
        """What ended a publisher."""

    def records(self, kind: type[Any], scan: int | None = None) -> list[Any]:
        records = [stins.decode(frames) for frames in list(self._listener.messages)]
        number = {ScanStart: lambda r: r.number, SliceFrame: lambda r: r.scan}
        number[ScanEnd] = lambda r: r.scan
        return [r for r in records if isinstance(r, kind) and scan in (None, number[kind](r))]

    def frames(self, scan: int) -> list[int]:
        return [record.frame for record in self.records(SliceFrame, scan)]

    def wait_for(self, scan: int, slices: int) -> None:
        eventually(lambda: len(self.frames(scan)) >= slices or self.failed)
        assert self.failed == []

    def wait_for_end(self, scan: int, ends: int = 1) -> None:
        eventually(lambda: len(self.records(ScanEnd, scan)) >= ends or self.failed)
        assert self.failed == []

    def volume(self, scan: int) -> Any:
        """(nz, ny, nx): slices by their index, the last one of each."""
        planes = {record.frame: record.data for record in self.records(SliceFrame, scan)}
        return np.stack([planes[index] for index in sorted(planes)])


class Watched:
    """A folder that is published, from one address after any number of restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (self.endpoint,) = free_addresses(1)
        self.listener = Listener(self.endpoint)
        self.received = Received(self.listener)
        self.said: list[str] = []

    @contextmanager
    def publishing(self, rules: FolderRules = RULES, **options: Any) -> Iterator[Received]:
        stop = threading.Event()

        def run() -> None:
            try:
                publish_folder(
                    [self.folder],
                    rules,
                    endpoint=self.endpoint,
                    stop=stop,
                    progress=lambda text, _sent, _total: self.said.append(text),
                    **options,
                )
            except BaseException as error:
                self.received.failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield self.received
        finally:
            stop.set()
            thread.join()
        assert self.received.failed == []

    def has_said(self, words: str) -> None:
        eventually(lambda: any(words in text for text in self.said))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "recs")
    yield made
    made.listener.close()


def write(recon: Reconstruction, seen: Callable[[int], None]) -> None:
    """The volume in chunks; each must have arrived before the next is written."""
    for start in range(0, NZ, STEP):
        recon.write(start, start + STEP)
        seen(start + STEP)


@pytest.mark.parametrize("form", LIVE)
def test_slices_are_live_and_equal_those_of_publish(form: str, watched: Watched) -> None:
    paths = []
    with watched.publishing() as received:
        for scan in range(3):
            recon = Reconstruction(
                watched.folder / f"scan_{scan:04d}", f"rec_{scan:04d}", form, volume(scan)
            )
            write(recon, lambda count, scan=scan: received.wait_for(scan, count))
            received.wait_for_end(scan)
            recon.finish()
            paths.append(recon.path)
    for scan, finished in enumerate(open_volumes(paths)):
        np.testing.assert_array_equal(received.volume(scan), list(finished.slices()))
        np.testing.assert_array_equal(received.volume(scan), volume(scan))
    for scan in range(3):
        assert received.frames(scan) == list(range(NZ))
    starts = received.records(ScanStart)
    assert [start.reason for start in starts] == ["reference", "periodic", "periodic"]
    assert len({start.key.run for start in starts}) == len({s.stream for s in starts}) == 1
    assert [end.slices for end in received.records(ScanEnd)] == [NZ] * 3


@pytest.mark.parametrize("form", LIVE)
def test_a_volume_that_is_complete_says_its_number_of_slices_itself(
    form: str, watched: Watched
) -> None:
    recon = Reconstruction(watched.folder, "rec_0007", form, volume(1))
    recon.write(0, NZ)
    recon.finish()
    with watched.publishing(RULES.model_copy(update={"slices": None})) as received:
        received.wait_for_end(7)
    (start,) = received.records(ScanStart)
    assert start.volume_shape == (NZ, 10, 8)
    assert start.voxel_size_um == pytest.approx((VOXEL_UM,) * 3)
    if form != "ome-zarr":  # nabu does not write the times there
        assert (start.start_time, start.stop_time) == (1772362800.0, 1772362980.0)
    np.testing.assert_array_equal(received.volume(7), volume(1))


@pytest.mark.parametrize("form", LIVE)
def test_after_a_restart_scans_continue_and_only_the_last_slices_are_repeated(
    form: str, watched: Watched
) -> None:
    rules = RULES.model_copy(update={"slices": 40})
    data = np.random.default_rng(3).random((40, 10, 8), dtype=np.float32)
    recon = Reconstruction(watched.folder, "rec_0000", form, data)
    with watched.publishing(rules) as received:
        recon.write(0, 28)
        received.wait_for(0, 28)
    with watched.publishing(rules):
        recon.write(28, 40)
        received.wait_for_end(0)
    first, second = received.records(ScanStart)
    assert first.is_same(second) and first.key == second.key and first.stream != second.stream
    frames = received.frames(0)
    assert frames[:28] == list(range(28)) and frames[28:] == list(range(20, 40))
    np.testing.assert_array_equal(received.volume(0), data)
    with watched.publishing(rules):
        received.wait_for_end(0, ends=2)
    assert received.frames(0)[48:] == list(range(32, 40))
    assert all(again.is_same(first) for again in received.records(ScanStart))


def test_the_first_scan_waits_if_nothing_says_how_many_slices_it_has(watched: Watched) -> None:
    with watched.publishing(RULES.model_copy(update={"slices": None})) as received:
        first = Reconstruction(watched.folder, "rec_0000", "hdf5", volume(0))
        first.write(0, 8)
        watched.has_said("rec_0000: its number of slices is not known before it is complete")
        first.write(8, NZ)
        first.finish()
        received.wait_for_end(0)
        second = Reconstruction(watched.folder, "rec_0001", "hdf5", volume(1))
        write(second, lambda count: received.wait_for(1, count))
        received.wait_for_end(1)
    np.testing.assert_array_equal(received.volume(1), volume(1))


@pytest.mark.parametrize("form", LIVE)
def test_a_volume_that_is_written_again_is_another_scan(form: str, watched: Watched) -> None:
    with watched.publishing() as received:
        for seed in range(2):
            recon = Reconstruction(watched.folder, "rec_0000", form, volume(seed))
            write(recon, lambda count, seed=seed: received.wait_for(0, seed * NZ + count))
            received.wait_for_end(0, ends=seed + 1)
    watched.has_said("rec_0000: was written again: it is sent as another scan")
    first, second = received.records(ScanStart)
    assert first.key == second.key and not first.is_same(second)
    assert received.frames(0) == [*range(NZ), *range(NZ)]
    np.testing.assert_array_equal(received.volume(0), volume(1))


def test_a_volume_that_stalls_is_reported_and_ends_when_a_later_one_begins(
    watched: Watched,
) -> None:
    with watched.publishing(RULES.model_copy(update={"quiet_s": 0.5})) as received:
        first = Reconstruction(watched.folder, "rec_0000", "tiff", volume(0))
        first.write(0, 8)
        (watched.folder / "rec_0000_000005.tiff").unlink()
        watched.has_said("rec_0000: has stalled: 7 of 12 slices")
        Reconstruction(watched.folder, "rec_0001", "tiff", volume(1)).write(0, NZ)
        received.wait_for_end(0)
        received.wait_for_end(1)
    watched.has_said("rec_0000: has ended with 5 of 12 slices missing")
    assert sorted(received.frames(0)) in ([0, 1, 2, 3, 4, 6, 7], list(range(8)))


def test_a_file_that_is_cut_short_waits_until_it_is_complete(watched: Watched) -> None:
    recon = Reconstruction(watched.folder, "rec_0000", "tiff", volume(0))
    recon.write(0, 8)
    path = watched.folder / "rec_0000_000005.tiff"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with watched.publishing() as received:
        received.wait_for(0, 5)
        recon.write(8, NZ)
        path.write_bytes(whole)
        received.wait_for_end(0)
    assert received.frames(0) == list(range(NZ))
    np.testing.assert_array_equal(received.volume(0), volume(0))
