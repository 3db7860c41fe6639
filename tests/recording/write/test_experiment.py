"""What is written, read with plain h5py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.quantities.table import CURRENT_MAPS, INTERFACE_MAPS
from monitor.recording.read.experiment import Scan, open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.write import cell_files, new_experiment
from monitor.recording.write.cell_logs import append_readings
from monitor.recording.write.cell_master import Master
from monitor.records import CyclerReading, SliceFrame
from monitor.settings import parse
from tests.recording.synthetic import (
    NX,
    NY,
    NZ,
    Scene,
    cycler_event,
    cycler_run,
    messages,
    settings,
    write_scan,
)

CONTRACT_PITS = {
    "id",
    "parent",
    "first_scan",
    "x_um",
    "y_um",
    "area_um2",
    "diameter_um",
    "depth_max_um",
    "depth_mean_um",
    "volume_um3",
    "current_density_mA_cm2",
    "p_value",
    "depth_max_error_um",
}
CONTRACT_SUMMARY = {
    "charge_mAh_cm2",
    "soc",
    "coulometry_um",
    "averaged_um",
    "averaged_error_um",
    "complete_um",
    "complete_error_um",
    "closure",
    "pit_count",
    "pit_density_mm2",
    "pitting_factor",
    "Sa_um",
    "Sq_um",
}


def recorded(tmp_path: Path, scene: Scene, **summary: object) -> tuple[Path, object]:
    recorder = Recorder(settings(tmp_path))
    whole = write_scan(recorder, scene, 0, **summary)
    recorder.close()
    assert recorder.status["alarm"] == ""
    return recorder.folder, whole


def test_scan_file_is_the_contract_to_the_letter(tmp_path: Path) -> None:
    scene = Scene()
    folder, whole = recorded(tmp_path, scene, soc=None, charge_mAh_cm2=1.0, step="discharge")
    with h5py.File(folder / "A" / "scan_0000.h5") as file:
        entry = file["entry"]
        assert entry.attrs["NX_class"] == "NXentry"
        assert entry["definition"].asstr()[()] == "NXtomoproc"
        assert entry["start_time"].asstr()[()] == "2020-09-13T12:26:40+00:00"
        assert entry["end_time"].asstr()[()] == "2020-09-13T12:27:40+00:00"
        assert entry["sample/name"].asstr()[()] == "A"
        data = entry["reconstruction/data"]
        assert (data.shape, data.dtype) == ((NZ, NY, NX), np.uint16)
        expected = scene.volume(125.0 - scene.removal(float(whole.maps["removal"].mean())))
        assert data[3].shape == expected[3].shape
        assert data.id.get_create_plist().get_filter(0)[0] == 32008
        received = entry["ledger/received"]
        assert (received.dtype, received[...].tolist()) == (np.uint8, [1] * NZ)
        assert entry["interface"].attrs["signal"] == "height"
        assert entry["interface"].attrs["NX_class"] == "NXdata"
        assert np.allclose(entry["interface/x"], np.arange(NX) * 4.0)
        for group, names in (("interface", INTERFACE_MAPS), ("current_density", CURRENT_MAPS)):
            for name in names:
                found = entry[f"{group}/{name}"]
                assert (found.shape, found.dtype) == ((NY, NX), np.float32)
                absent = np.full((NY, NX), np.nan, np.float32)
                np.testing.assert_array_equal(found, whole.maps.get(name, absent))
        assert entry["interface/height"].attrs["units"] == "µm"
        assert entry["current_density/running"].attrs["units"] == "mA/cm2"
        assert set(entry["pits"]) == CONTRACT_PITS
        assert {len(column) for column in entry["pits"].values()} == {1}
        assert entry["pits/id"][0] == 7 and entry["pits/depth_max_um"][0] == 9.0
        assert set(entry["summary"]) >= CONTRACT_SUMMARY
        assert np.isnan(entry["summary/soc"][()])
        assert entry["summary/charge_mAh_cm2"][()] == 1.0
        assert entry["summary/step"][()] == b"discharge"
        assert entry["summary/request"][()] == b""
        without: list[str] = []
        file.visititems(
            lambda name, item: (
                without.append(name)
                if isinstance(item, h5py.Dataset) and "units" not in item.attrs
                else None
            )
        )
        assert without == []


@pytest.mark.parametrize(
    ("axis", "dtype"), [("z", "uint8"), ("z", "float32"), ("y", "uint16"), ("y", "float32")]
)
def test_pixels_come_back_bit_by_bit(tmp_path: Path, axis: str, dtype: str) -> None:
    scene = Scene(axis=axis, dtype=dtype, nz=21)
    recorder = Recorder(settings(tmp_path))
    start = scene.start(3, 1.6e9, "periodic", "A", 0)
    volume = scene.volume(np.full((NY, NX), 40.0))
    order = np.random.default_rng(2).permutation(start.slice_count).tolist()
    other = messages(start, volume[::-1, ::-1])[1:5]
    for record in (*messages(start, volume, order)[:-1], *other):
        recorder.write("slices", (), record, ())
    assert recorder.drain()
    np.testing.assert_array_equal(recorder.section("A", None, "y", 11), volume[:, 11, :])
    np.testing.assert_array_equal(recorder.section("A", 3, "x", 5), volume[:, :, 5])
    with pytest.raises(RecordingError, match="section y = 96"):
        recorder.section("A", None, "y", NY)
    recorder.close()
    part = recorder.folder / "A" / "scan_0003.h5.part"
    with h5py.File(part) as file:
        np.testing.assert_array_equal(file["entry/reconstruction/data"], volume)
    assert Scan(part).order().tolist() == np.argsort(order).tolist()


def test_without_a_voxel_size_nothing_is_labelled_um(tmp_path: Path) -> None:
    folder, _ = recorded(tmp_path, Scene(voxel_um=None), charge_mAh_cm2=1.0)
    with h5py.File(folder / "A" / "scan_0000.h5") as file:
        entry = file["entry"]
        assert entry["interface/removal"].attrs["units"] == "voxel"
        assert entry["interface/x"].attrs["units"] == "voxel"
        assert np.isnan(entry["pits/area_um2"][0])
        assert entry["pits/area_voxel2"].attrs["units"] == "voxel2"
        assert entry["pits/area_voxel2"][0] == 36.0
        assert np.isnan(entry["summary/averaged_um"][()])
        assert entry["summary/averaged_voxel"][()] > 1.0


def test_a_scan_without_slices_keeps_its_maps(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path, record_slices=False))
    write_scan(recorder, Scene(), 0)
    with pytest.raises(RecordingError, match="not recorded"):
        recorder.section("A", None, "y", 1)
    recorder.close()
    with h5py.File(recorder.folder / "A" / "scan_0000.h5") as file:
        assert "reconstruction" not in file["entry"]
        assert "definition" not in file["entry"]
        assert np.isfinite(file["entry/interface/height"]).all()


def test_settings_and_versions(tmp_path: Path) -> None:
    made = settings(tmp_path)
    first, second = (new_experiment.create_experiment(made, tmp_path) for _ in range(2))
    assert (first.name, second.name) == ("made-up", "made-up-2")
    table = tomllib.loads((first / "experiment.toml").read_text())
    assert table["format"] == 1
    assert table["versions"]["h5py"] == h5py.__version__
    assert parse(table["settings"]) == made


def test_an_unwritable_or_full_folder_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="choose another folder") as error:
        Recorder(settings(tmp_path / "file" / "under"))
    assert "\n" not in str(error.value)
    monkeypatch.setattr(new_experiment, "LEAST_FREE_BYTES", 2**60)
    with pytest.raises(RecordingError, match="MB are free"):
        Recorder(settings(tmp_path))


def test_master_stacks_the_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(settings(tmp_path))
    wholes = [
        write_scan(recorder, Scene(), n, msg_number=100 * n, charge_mAh_cm2=float(n), step=step)
        for n, step in enumerate((None, "discharge", "discharge"))
    ]
    recorder.close()
    monkeypatch.chdir("/")
    with h5py.File(recorder.folder / "A" / "A.nxs") as file:
        height = file["entry/interface/height"]
        assert height.is_virtual and height.shape == (3, NY, NX)
        for row, whole in enumerate(wholes):
            np.testing.assert_array_equal(height[row], whole.maps["height"])
        assert np.isnan(file["entry/current_density/interval"]).all()
        assert file["entry/current_density/cumulative"].attrs["units"] == "mA/cm2"
        assert file["entry/summary/charge_mAh_cm2"][...].tolist() == [0.0, 1.0, 2.0]
        assert file["entry/summary/step"][...].tolist() == [b"", b"discharge", b"discharge"]
        assert file["entry/scans/scan_0001/sample/name"].asstr()[()] == "A"
    assert not list((recorder.folder / "A").glob("*.part"))


@pytest.mark.slow
def test_a_scan_that_was_written_again_is_read_again_for_the_master(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    for n in range(3):
        write_scan(recorder, Scene(), n, msg_number=100 * n, charge_mAh_cm2=float(n), step="charge")
    recorder.close()
    folder = recorder.folder / "A"
    master = Master(folder)

    def told() -> dict[str, Any]:
        master.write()
        with h5py.File(folder / "A.nxs") as file:
            summary = file["entry/summary"]
            return {key: summary[key][...].tolist() for key in ("scan", "charge_mAh_cm2", "step")}

    first = told()
    assert first["charge_mAh_cm2"] == [0.0, 1.0, 2.0]
    assert told() == first
    with h5py.File(folder / "scan_0001.h5", "r+") as file:
        file["entry/summary/charge_mAh_cm2"][()] = 1.5
        del file["entry/summary/step"]
    (folder / "scan_0000.h5").unlink()
    assert told() == {"scan": [1, 2], "charge_mAh_cm2": [1.5, 2.0], "step": [b"", b"charge"]}


@pytest.mark.slow
def test_another_run_with_the_same_number_gets_a_file_of_its_own(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    write_scan(recorder, Scene(), 0)
    start = Scene().start(0, 1.7e9, "reference", "A", 0)
    again = type(start)(**{n: getattr(start, n) for n in start.__slots__} | {
        "key": type(start.key)("A", "another", 0), "stream": "other"})  # fmt: skip
    for record in messages(again, Scene().volume(np.full((NY, NX), 50.0)))[:3]:
        recorder.write("slices", (), record, ())
    recorder.close()
    assert (recorder.folder / "A" / "scan_0000.h5").exists()
    assert (recorder.folder / "A" / "scan_0001.h5.part").exists()


@pytest.mark.slow
def test_a_scan_that_is_left_unfinished_keeps_its_file(tmp_path: Path) -> None:
    """Runs break off one after the other, each in its scan 0."""
    recorder = Recorder(settings(tmp_path))
    volume = Scene().volume(np.full((NY, NX), 60.0))
    for run in range(2 * cell_files.MAX_OPEN_SCANS):
        begin = Scene().start(0, 1.6e9 + run, "periodic", "A", 10 * run)
        begin = replace(begin, key=replace(begin.key, run=f"run {run}"), stream=f"s{run}")
        for record in messages(begin, volume + run)[: 2 + run % 3]:
            recorder.write("slices", (), record, ())
    recorder.close()
    experiment = open_experiment(tmp_path / "made-up")
    runs = [scan.header["run"] for scan in experiment.cells["A"].unfinished]
    assert sorted(runs) == sorted(f"run {run}" for run in range(2 * cell_files.MAX_OPEN_SCANS))
    slices = [r for _, r in replay_records(experiment) if isinstance(r, SliceFrame)]
    for frame in slices:
        np.testing.assert_array_equal(frame.data, volume[frame.frame] + int(frame.stream[1:]))
    assert len(slices) == sum(1 + run % 3 for run in range(2 * cell_files.MAX_OPEN_SCANS))


def test_cycler_and_events(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    for document in (
        *cycler_run("A"),
        *(cycler_event("A", 10.0 * n, 0.1 * n) for n in (1, 2, 2, 3)),
    ):
        recorder.write("documents", (), document, ())
    write_scan(recorder, Scene(), 0)
    recorder.close()
    with h5py.File(recorder.folder / "A" / "cycler.h5") as file:
        assert file["time"][...].tolist() == [10.0, 20.0, 30.0]
        assert file["charge_mAh"].attrs["units"] == "mAh"
        assert np.isnan(file["cycle"]).all()
    lines = (recorder.folder / "A" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["scan_complete"]


READER = """
    import sys, h5py, numpy as np
    rows = []
    for line in sys.stdin:
        with h5py.File(sys.argv[1]) as file:
            print(*(len(file[name]) for name in ("time", "step")), float(np.sum(file["time"])),
                  flush=True)
"""


def test_cycler_is_read_by_another_process_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "cycler.h5"
    append_readings(path, [CyclerReading("A", 1.0)])
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(READER), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdin is not None and reader.stdout is not None
        for count in range(1, 6):
            reader.stdin.write("\n")
            reader.stdin.flush()
            expected = float(sum(range(1, count + 1)))
            assert reader.stdout.readline().split() == [str(count), str(count), str(expected)]
            append_readings(path, [CyclerReading("A", count + 1.0)])
        reader.stdin.close()


KILLED = """
    import os, signal, sys, numpy as np
    from pathlib import Path
    from monitor.engine.recorder import Recorder
    from tests.recording.synthetic import Scene, messages, settings, write_scan
    recorder = Recorder(settings(Path(sys.argv[1])))
    write_scan(recorder, Scene(), 0)
    start = Scene(nz=80).start(1, 1.6e9, "periodic", "A", 50)
    records = messages(start, Scene(nz=80).volume(np.full((96, 112), 60.0)))
    for record in records[:71]:
        recorder.write("slices", (), record, ())
    recorder.drain()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_a_readable_part(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    experiment = open_experiment(tmp_path / "made-up")
    cell = experiment.cells["A"]
    assert [scan.path.name for scan in cell.scans] == ["scan_0000.h5"]
    (part,) = cell.unfinished
    assert part.ledger().sum() == 70 and part.partial and not part.complete
    volume = Scene(nz=80).volume(np.full((NY, NX), 60.0))
    np.testing.assert_array_equal(part.section("y", 4)[:70], volume[:70, 4])
    assert part.map("height") is None


FULL = """
    import resource, sys
    from pathlib import Path
    from monitor.engine.recorder import Recorder
    from tests.recording.synthetic import Scene, settings, write_scan
    recorder = Recorder(settings(Path(sys.argv[1])))
    write_scan(recorder, Scene(), 0)
    assert recorder.drain()
    before = recorder.status
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, whole[1]))
    write_scan(recorder, Scene(), 1, msg_number=50)
    recorder.drain()
    during = recorder.status
    resource.setrlimit(resource.RLIMIT_FSIZE, whole)
    write_scan(recorder, Scene(), 2, msg_number=100)
    recorder.close()
    after = recorder.status
    assert before["alarm"] == "" and before["failures"] == 0
    assert "recording is retried" in during["alarm"] and during["failures"] > 0, during
    assert after["scans"] >= 2, after
"""


@pytest.mark.slow
def test_a_full_disk_raises_an_alarm_and_recording_goes_on(tmp_path: Path) -> None:
    run = [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)]
    done = subprocess.run(run, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    names = {scan.path.name for scan in open_experiment(tmp_path / "made-up").cells["A"].scans}
    assert {"scan_0000.h5", "scan_0002.h5"} <= names
