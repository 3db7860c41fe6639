"""A recording measured again, scan by scan: as the session measures it from first to last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import MissingSoftware, RecordingError, SettingError
from monitor.playback.replay import replay_settings
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.verify.experiment import verify
from monitor.records import Acknowledgement, FeedQuiet, OperatorNote, Record, ScanStart, SliceFrame
from monitor.reprocess import measure
from monitor.reprocess.cluster import RemoteScheduler
from monitor.reprocess.measure import run_reprocess
from monitor.reprocess.settings import changed
from monitor.wire.slices import stins
from tests.core.experiment import (
    cycler_documents,
    experiment,
    removal,
    scan_records,
    settings,
    volume,
)
from tests.core.phantom import cell
from tests.helpers.pools import Here

SLICE_MB = 48 * 48 * 2 / 1e6


def record(folder: Path, records: list[Record], **changes: Any) -> Path:
    chosen = settings(experiment={"name": "trial", "data_dir": str(folder)}, **changes)
    session, recorder = Session(chosen), Recorder(chosen)
    for one in records:
        recorder.write("test", (), one, session.feed(one))
    recorder.close()
    return recorder.folder


def again(path: Path, pool: Here, *changes: str, out: Path | None = None) -> Path:
    recorded = open_experiment(path)
    asked = changed(replay_settings(recorded.settings), changes)
    return measure.reprocess(recorded, asked, pool, out or path.parent, lambda text: None)


def straight(path: Path, folder: Path, *changes: str) -> Path:
    """The same settings, through one session from first to last, pixels and all."""
    recorded = open_experiment(path)
    asked = changed(replay_settings(recorded.settings), changes)
    session, recorder = Session(asked), Recorder(asked, folder)
    for feed, one in replay_records(recorded):
        if not isinstance(one, Acknowledgement):
            recorder.write(feed, (), one, session.feed(one))
    recorder.close()
    return recorder.folder


def contents(path: Path) -> Mapping[str, bytes]:
    """Every dataset of every scan, the events, and the cycler's readings."""
    found: dict[str, bytes] = {}
    for file in sorted(path.glob("*/*.h5")):
        with h5py.File(file) as opened:
            names: list[str] = []
            opened.visititems(
                lambda n, i, names=names: names.append(n) if isinstance(i, h5py.Dataset) else None
            )
            for name in names:
                found[f"{file.parent.name}/{file.name}/{name}"] = np.asarray(
                    opened[name][()]
                ).tobytes()
    for events in path.rglob("events.jsonl"):
        found[str(events.relative_to(path))] = events.read_bytes()
    return found


def told(events: bytes) -> list[dict[str, Any]]:
    """The events without their numbers; the end of an alarm names its place among the alarms."""
    lines = [json.loads(line) for line in events.splitlines()]
    alarms = [line["number"] for line in lines if line["kind"] == "alarm"]
    for line in lines:
        if line["kind"] == "alarm_ended":
            line["data"]["alarm"] = alarms.index(line["data"]["alarm"])
    return [{k: v for k, v in line.items() if k not in ("number", "crc32")} for line in lines]


def out_of_order(records: list[Record]) -> list[Record]:
    """Slices of each scan in any order, some twice, one lost, one not finite."""
    rng = np.random.default_rng(3)
    made: list[Record] = []
    slices: list[Record] = []
    for one in records:
        if isinstance(one, SliceFrame):
            slices.append(one)
            continue
        rng.shuffle(slices)  # type: ignore[arg-type]
        made += [*slices[1:], *slices[5:8]] if slices else []
        slices = []
        made.append(one)
    return [*made, OperatorNote("A", "a note", time=5.0), FeedQuiet()]


TRIALS: dict[str, tuple[str, ...]] = {
    "as recorded": (),
    "other geometry": ("cells.A.electrode_area_cm2=0.4", "cells.A.foil_thickness_um=50"),
    "memory that is short": (f"feeds.reorder_memory_MB={20 * SLICE_MB}",),
    "other rules for pits": ("pits.min_depth_um=6.0", "watch.enabled=false"),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings that are read only, by the order of their slices."""
    records = {"in order": experiment(), "out of order": out_of_order(experiment())}
    return {order: record(tmp_path_factory.mktemp(order), of) for order, of in records.items()}


@pytest.mark.slow
@pytest.mark.parametrize("order", ["in order", "out of order"])
@pytest.mark.parametrize("trial", TRIALS)
def test_it_is_what_one_session_makes_of_it(
    trial: str, order: str, recordings: dict[str, Path], tmp_path: Path
) -> None:
    path, changes = recordings[order], TRIALS[trial]
    pool = Here()
    made = again(path, pool, *changes, out=tmp_path)
    truth = dict(contents(straight(path, tmp_path / "straight", *changes)))
    found = dict(contents(made))
    assert found.keys() == truth.keys()
    if trial == "memory that is short":
        # slices that came too late are no progress live: what follows has other numbers
        one, other = (told(events.pop("A/events.jsonl")) for events in (found, truth))
        assert one == other
    assert [name for name in found if found[name] != truth[name]] == []
    assert pool.done == [0, 1, 2] or trial == "memory that is short"
    report = verify(made)
    assert report.count("error") == report.count("warning") == 0
    late = [f for f in report.found if "too late for the maps" in f.what]
    assert bool(late) == (trial == "memory that is short" and order == "out of order")


@pytest.mark.parametrize("left", [(), None])
@pytest.mark.slow
def test_headers_that_leave_out_what_they_may(left: tuple[()] | None, tmp_path: Path) -> None:
    """As a producer by hand sends them: `run`, `resend`, `request` are absent, or null."""
    chosen = settings(experiment={"name": "trial", "data_dir": str(tmp_path)})
    session, recorder = Session(chosen), Recorder(chosen)
    for one in experiment():
        frames = ()
        if isinstance(one, ScanStart):
            header = stins.start_header(one)
            for name in ("run", "resend", "request", "filename", "schema"):
                del header[name]
                header |= {} if left == () else {name: None}
            frames = (json.dumps(header).encode(),)
        recorder.write("slices", frames, one, session.feed(one))
    recorder.close()
    pool = Here()
    found = contents(again(recorder.folder, pool))
    truth = contents(recorder.folder)
    assert pool.done == [0, 1, 2]
    measured = [n for n in truth if "/summary/" in n or "/interface/" in n]
    assert measured
    assert [n for n in measured if found.get(n) != truth[n]] == []


@pytest.mark.slow
def test_levels_of_the_scan_before_are_handed_on(tmp_path: Path) -> None:
    """A scan that is cut short finds no grey levels of its own: it is measured again with those of
    the scan before, once they are known."""
    records = experiment()
    begin = next(i for i, r in enumerate(records) if isinstance(r, ScanStart) and r.key.scan == 2)
    cut = [*records[: begin + 60], FeedQuiet(given_up=True)]
    path = record(tmp_path, cut)
    pool = Here()
    found, truth = contents(again(path, pool)), contents(straight(path, tmp_path / "straight"))
    assert [name for name in found if found[name] != truth[name]] == []
    assert pool.done == [0, 1, 2, 2]


@pytest.mark.slow
def test_a_thin_collector_that_comes_last_is_measured_by_what_the_scan_before_showed(
    tmp_path: Path,
) -> None:
    """Its grey levels are known before the end if the scan before is: each scan is measured again
    with those, and the results are those of the live session."""
    records: list[Record] = [*cycler_documents(3660.0)]
    for scan in range(3):
        records += scan_records(scan, data=volume(scan)[::-1])
    layers = ("electrolyte", "lithium", "collector")
    path = record(tmp_path, records, cells=(cell("A", layers=layers),))
    pool = Here()
    found, truth = contents(again(path, pool)), contents(straight(path, tmp_path / "straight"))
    assert [name for name in found if found[name] != truth[name]] == []
    assert pool.done == [0, 1, 1, 2, 2]
    lost = open_experiment(path).cells["A"].scans[-1].map("removal")
    assert lost is not None
    assert np.nanmean(lost) == pytest.approx(removal(2).mean(), abs=0.05)


@pytest.mark.slow
def test_charge_is_shared_by_the_area_that_was_set(tmp_path: Path) -> None:
    path = record(tmp_path, experiment())
    made = again(path, Here(), "cells.A.electrode_area_cm2=0.4")
    before, now = (open_experiment(p).cells["A"].scans[2].summary() for p in (path, made))
    assert now["coulometry_um"] == pytest.approx(before["coulometry_um"] / 2)
    assert now["averaged_um"] == before["averaged_um"]
    assert open_experiment(made).settings.cells[0].electrode_area_cm2 == 0.4


def test_pixels_of_the_recording_are_not_written_again(tmp_path: Path) -> None:
    path = record(tmp_path, experiment(1))
    made = again(path, Here())
    recorded = open_experiment(made)
    assert not recorded.has_slices
    assert made.name == "trial-again"
    assert recorded.settings.experiment.name == "trial"
    (scan,) = recorded.cells["A"].scans
    (source,) = open_experiment(path).cells["A"].scans
    np.testing.assert_array_equal(scan.checksums(), source.checksums())
    assert scan.checksums().any()
    with pytest.raises(RecordingError, match="contains no slices"):
        list(replay_records(recorded))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("foil", "key=value"),
        ("=3", "key=value"),
        ("cells..x=3", "key=value"),
        ("cells.Z.foil_thickness_um=3", "a cell of the recording (A)"),
        ("cells=3", "cells.NAME.key"),
        ("cells.A=3", "cells.NAME.key"),
        ("cells.A.name=B", "the recorded names"),
        ("cells.A.foil_thickness_um=-3", "greater than 0"),
        ("cells.A.foil_thicknes_um=3", "did you mean 'foil_thickness_um'"),
        ("experiment.name.first=3", "a section"),
        ("feeds.slices.x=3", "a section"),
        ("nothing.at_all=3", "a known key"),
    ],
)
def test_a_wrong_change_is_named(change: str, says: str) -> None:
    with pytest.raises(SettingError) as caught:
        changed(settings(), [change])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_are_read_as_in_a_settings_file() -> None:
    made = changed(
        settings(),
        ["cells.A.keys.potential_V=Ewe", 'cells.A.layers=["electrolyte", "lithium"]',
         "watch.enabled=false", "watch.scans = 3"],
    )  # fmt: skip
    assert made.cells[0].keys["potential_V"] == "Ewe"
    assert made.cells[0].layers == ("electrolyte", "lithium")
    assert not made.watch.enabled and made.watch.scans == 3


def test_a_scan_s_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = record(tmp_path, experiment(2))
    file = path / "A" / "scan_0001.h5"
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(RecordingError, match=r"scan_0001\.h5"):
        again(path, Here())


@pytest.mark.slow
def test_on_a_cluster_it_is_the_same(tmp_path: Path) -> None:
    """Real workers, in processes of their own."""
    path = record(tmp_path, experiment())
    lines: list[str] = []
    made = run_reprocess(path, changes=[], scheduler=None, out=tmp_path / "out", say=lines.append)
    assert made == tmp_path / "out" / "trial-again"
    found, truth = contents(made), contents(straight(path, tmp_path / "straight"))
    assert [name for name in found if found[name] != truth[name]] == []
    assert lines[0].startswith("3 scans to measure")
    assert [line.split(":")[0] for line in lines[1:]] == [f"cell A scan {n}" for n in range(3)]


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path) -> None:
    path = record(tmp_path, experiment(1))
    nobody = RemoteScheduler("nonsense://x", plain=True)
    with pytest.raises(SettingError, match="--scheduler"):
        run_reprocess(path, changes=[], scheduler=nobody, out=None, say=print)
    assert not (tmp_path / "trial-again").exists()


def test_volume_is_the_truth_that_was_recorded(tmp_path: Path) -> None:
    """What a task reads is what was sent, whatever is around it."""
    path = record(tmp_path, experiment(1))
    (task,) = measure._tasks(open_experiment(path), settings()).values()
    assert [index for index, _ in task.slices] == list(range(96))
    pixels = measure.Pixels(open_experiment(path))
    read = np.stack([pixels.read("A", task.file, index) for index, _ in task.slices])
    pixels.close()
    np.testing.assert_array_equal(read, volume(0))


def test_without_dask_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "find_spec", lambda _name: None)
    with pytest.raises(MissingSoftware, match=r"pip install 'pitwatch\[reprocess\]'") as told:
        run_reprocess(tmp_path, changes=[], scheduler=None, out=None, say=print)
    assert "\n" not in str(told.value)
