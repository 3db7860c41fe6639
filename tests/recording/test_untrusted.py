"""A recording may have been written by anybody: it is read, and nothing else happens."""

from __future__ import annotations

import json
import os
import shutil
import struct
import tomllib
import tracemalloc

import h5py
import hdf5plugin
import numpy as np
import pytest
import tomli_w

from monitor.engine.recorder import Recorder
from monitor.errors import PitwatchError, RecordingError
from monitor.playback.opened import Recorded, serving_settings
from monitor.playback.replay import replay_settings
from monitor.recording import format
from monitor.recording.journal import MAX_LINE_BYTES, lines
from monitor.recording.read.experiment import MAX_SETTINGS_BYTES, open_experiment
from monitor.recording.read.stored_scan import pits_of
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import LOCK_FILE, interrupted
from monitor.recording.verify.experiment import verify
from monitor.report.policies import backtest
from monitor.sockets.keys import is_local, make_keys
from tests.recording.synthetic import Scene, cycler_run, settings, write_scan


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The folder of an experiment with one scan."""
    recorder = Recorder(settings(tmp_path_factory.mktemp("original")))
    for document in cycler_run("A"):
        recorder.write("documents", (), document, ())
    write_scan(recorder, Scene(), 0)
    recorder.close()
    return recorder.folder


@pytest.fixture
def recorded(original, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(original, tmp_path / original.name)


def with_settings(folder, **sections):
    """The experiment, with these sections of its settings changed."""
    path = folder / format.SETTINGS_FILE
    table = tomllib.loads(path.read_text())
    for name, section in sections.items():
        known = table["settings"].get(name)
        table["settings"][name] = known | section if isinstance(known, dict) else section
    path.write_text(tomli_w.dumps(table))
    return folder


ELSEWHERE = [
    "tcp://0.0.0.0:5611", "tcp://*:5611", "tcp://10.9.8.7:5611", "ipc://{}", "ipc://{}:5611",
    "inproc://zeromq.zap.01",
]  # fmt: skip


@pytest.mark.parametrize("address", ELSEWHERE)
@pytest.mark.parametrize("read", [replay_settings, lambda s: s], ids=["replay", "open"])
def test_a_recording_says_neither_where_to_listen_nor_who_may_come(
    recorded, tmp_path, address, read
):
    """ZeroMQ deletes the file that stands where an ipc address is to be bound."""
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    _, secret = make_keys(tmp_path / "keys", "mine")
    results = {"pull": address.format(thesis), "status": address.format(thesis)}
    security = {"secret_key": str(secret), "operators": ["x" * 40], "plain": ["tcp://evil:1"]}
    experiment = open_experiment(with_settings(recorded, results=results, security=security))
    if read is replay_settings:
        made = replay_settings(experiment.settings)
    else:
        made = serving_settings(experiment, None, None)
    for bound in (made.results.pull, made.results.status):
        assert is_local(bound)
        assert bound.startswith("tcp://127.0.0.1:")
    assert made.security.secret_key == ""
    assert made.security.operators == made.security.plain == ()
    assert made.requests.backend == "none"
    assert thesis.read_text() == "years of work"


@pytest.mark.parametrize("name", ["../A", "/etc", "..", "", "A/B", "A\n", 5, None, ["A"]])
def test_a_cell_s_name_leads_nowhere_else(recorded, name):
    cells = [{} if name is None else {"name": name}]
    with pytest.raises(RecordingError, match="cells have no names"):
        open_experiment(with_settings(recorded, cells=cells))


@pytest.mark.parametrize("settings_table", ["text", 5, {"cells": "A"}, {"cells": [5]}])
def test_settings_that_are_none_cost_one_line(recorded, settings_table):
    path = recorded / format.SETTINGS_FILE
    table = tomllib.loads(path.read_text()) | {"settings": settings_table}
    path.write_text(tomli_w.dumps(table))
    with pytest.raises(RecordingError, match="is damaged"):
        open_experiment(recorded)


def test_settings_have_a_largest_size(recorded):
    path = recorded / format.SETTINGS_FILE
    path.write_text(path.read_text() + "#" * MAX_SETTINGS_BYTES)
    with pytest.raises(RecordingError, match="too long"):
        open_experiment(recorded)


def test_a_header_is_read_from_its_own_file_and_has_a_size(recorded):
    scan = open_experiment(recorded).cells["A"].scans[0]
    with h5py.File(scan.path, "r+") as file:
        file["entry"].attrs["run"] = np.zeros(2000)
    with pytest.raises(RecordingError, match="16000 bytes"):
        _ = open_experiment(recorded).cells["A"].scans[0].header
    with h5py.File(recorded / "other.h5", "w") as other:
        other.create_group("entry").attrs["run"] = "another's"
    with h5py.File(scan.path, "r+") as file:
        del file["entry"]
        file["entry"] = h5py.ExternalLink(str(recorded / "other.h5"), "/entry")
    with pytest.raises(RecordingError, match="link into another file"):
        _ = open_experiment(recorded).cells["A"].scans[0].header


# --- the journal ----------------------------------------------------------------------------------


def with_line(folder, change, which="image"):
    """The experiment, with one line of its journal changed: the first of this kind of message."""
    path = folder / format.JOURNAL_FILE
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    found = next(
        number
        for number, entry in enumerate(entries)
        if entry.get("header", {}).get("htype") == which or which in entry
    )
    entries[found] = change(entries[found])
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return folder


def replayed(folder):
    return list(replay_records(open_experiment(folder)))


def refusal(folder):
    with pytest.raises(RecordingError) as caught:
        replayed(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def in_header(**changes):
    return lambda entry: entry | {"header": entry["header"] | changes}


def in_frame(**changes):
    return lambda entry: entry | {"frame": entry["frame"] | changes}


def test_a_recording_is_replayed_as_it_is(recorded):
    assert len(replayed(with_line(recorded, lambda entry: entry))) == 2 + 1 + 40 + 1


@pytest.mark.parametrize(
    "file",
    ["../B/scan_0000.h5", "/tmp/scan_0000.h5", "scan_0000.h5/../x", "..", "", "cycler.h5",
     "scan_0000.h5\n", "scan_0000.h5.part", 5, None, ["scan_0000.h5"]],
)  # fmt: skip
def test_a_file_s_name_leads_nowhere_else(recorded, file):
    (recorded / "B").mkdir()
    os.link(recorded / "A" / "scan_0000.h5", recorded / "B" / "scan_0000.h5")
    assert "line 4 is damaged" in refusal(with_line(recorded, in_frame(file=file)))


@pytest.mark.parametrize("cell", ["../A", "B", "", "/etc", 5, None])
def test_a_cell_s_name_in_a_line_leads_nowhere_else(recorded, cell):
    assert "line 4 is damaged" in refusal(with_line(recorded, in_header(cell=cell)))


@pytest.mark.parametrize(
    "change",
    [
        in_header(frame=-1),
        in_header(frame=10**9),
        in_header(frame="0"),
        in_header(shape=[131_072, 131_072]),
        in_header(shape="text"),
        in_header(msg_number="0"),
        in_header(scan="x"),
        in_header(htype=5),
        lambda entry: {"feed": "slices"},
        lambda entry: {"header": 5, "frame": {}},
        lambda entry: {"header": entry["header"]},
        lambda entry: {"header": {}, "frame": {}},
        lambda entry: 5,
        lambda entry: [entry],
        lambda entry: None,
    ],
)
def test_a_line_of_a_slice_that_nobody_has_written_so_ends_in_one_line(recorded, change):
    refusal(with_line(recorded, change))


@pytest.mark.parametrize(
    "line",
    [
        {"reply": {"id": 5, "status": "done"}},
        {"reply": {"id": "1", "status": "eaten"}},
        {"reply": []},
        {"operator": {"cell": ["A"]}},
        {"policy": {"cell": "A", "mode": "auto", "max_scans": "many"}},
        {"note": {"cell": "A"}},
        {"acknowledgement": {"cell": "A", "number": 1.5}},
        {"quiet": {"cell": 5}},
        {"bad": {"feed": "slices", "kind": {}, "text": ""}},
        {"doc": [1], "name": "event"},
        {"doc": {"a": {"__array__": [1], "dtype": "O"}}, "name": "event"},
        {"doc": {"a": {"__array__": [[1]] * 1000, "dtype": "S1000000000"}}, "name": "event"},
        {"doc": {"a": {"__array__": [1], "dtype": "i4," * 1000}}, "name": "event"},
        {"doc": {"a": {"__bytes__": "no hex"}}, "name": "event"},
        {"nothing": 1},
    ],
)
def test_other_lines_are_checked_in_every_field(recorded, line):
    tracemalloc.start()
    try:
        refusal(with_line(recorded, lambda entry: {"feed": "documents", **line}, "doc"))
        assert tracemalloc.get_traced_memory()[1] < 5e7
    finally:
        tracemalloc.stop()


def test_a_document_may_be_any_map_and_costs_no_more_than_live(recorded):
    line = {"feed": "documents", "doc": {"time": {"a": [None]}}, "name": "event"}
    records = replayed(with_line(recorded, lambda entry: line, "doc"))
    assert records[0][1].doc == line["doc"]


def test_lines_have_a_largest_size(tmp_path):
    path = tmp_path / "journal.jsonl"
    with path.open("wb") as file:
        file.truncate(3 * MAX_LINE_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match="line 1 is damaged"):
            list(lines(path, tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()
    path.write_text("[" * 100_000 + "\n")
    with pytest.raises(RecordingError, match="line 1 is damaged"):
        list(lines(path, tmp_path))


def test_pixels_are_read_from_the_recording_alone(recorded, tmp_path):
    path = recorded / "A" / "scan_0000.h5"
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = np.zeros((40, 96, 112), np.uint16)
    with h5py.File(path, "r+") as file:
        del file[format.SLICES]
        file[format.SLICES] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/data")
    assert "a link into another file" in refusal(recorded)


def test_a_volume_that_is_small_on_the_disk_and_large_in_memory_is_refused(recorded):
    """17 GB a slice, 50 kB on the disk."""
    path = recorded / "A" / "scan_0000.h5"
    with h5py.File(path, "r+") as file:
        del file[format.SLICES]
        shape = (40, 131_072, 131_072)
        file.create_dataset(format.SLICES, shape, np.uint8, chunks=(1, 1024, 131_072))
        file["entry"].attrs["volume_shape"] = shape
    tracemalloc.start()
    try:
        assert "Mpx" in refusal(recorded)
        assert tracemalloc.get_traced_memory()[1] < 1e8
    finally:
        tracemalloc.stop()


SAID = struct.Struct(">QII")
"""How a chunk begins: its bytes, those of a block, and those of the first block once compressed."""


@pytest.mark.parametrize(
    "harm",
    [
        *(lambda b, size=size: SAID.pack(size, *b[1:]) for size in (0, 2**31, 2**40, 2**63 + 7)),
        *(lambda b, size=size: SAID.pack(b[0], size, b[2]) for size in (1, 2**31, 2**32 - 1)),
        *(lambda b, size=size: SAID.pack(*b[:2], size) for size in (0, 10**6, 2**31 - 1)),
    ],
)
@pytest.mark.parametrize("most", [None, 4, 15, 40])
@pytest.mark.slow
def test_a_chunk_that_states_wrong_lengths_costs_its_recording_alone(recorded, harm, most):
    """HDF5's filter would read beyond the chunk, which ends the process."""
    path = recorded / "A" / "scan_0000.h5"
    with h5py.File(path, "r+") as file:
        volume = file[format.SLICES].id
        at = volume.get_chunk_info(0).chunk_offset
        _, stored = volume.read_direct_chunk(at)
        begin, rest = SAID.unpack(stored[: SAID.size]), bytes(stored[SAID.size :])
        volume.write_direct_chunk(at, (harm(begin) + rest)[:most])
    assert "is damaged" in refusal(recorded)
    with pytest.raises(RecordingError, match="is damaged"):
        open_experiment(recorded).cells["A"].scans[0].section("y", 0)
    assert verify(recorded).count("error")


@pytest.mark.parametrize("place", ["entry/interface/height", "entry/ledger/order", format.SLICES])
@pytest.mark.parametrize(
    "how", [{"compression": "gzip"}, {"compression": "lzf"}, dict(hdf5plugin.Blosc())]
)
def test_numbers_that_were_compressed_by_other_filters_are_refused(recorded, place, how):
    """A chunk of gzip may make any number of bytes, whatever the shape of the dataset is."""
    with h5py.File(recorded / "A" / "scan_0000.h5", "r+") as file:
        values, attributes = file[place][...], dict(file[place].attrs)
        del file[place]
        file.create_dataset(place, data=values, **how).attrs.update(attributes)
    with pytest.raises(RecordingError, match="compressed in another way"):
        scan = open_experiment(recorded).cells["A"].scans[0]
        scan.map("height"), scan.order(), scan.section("y", 0)
    assert "compressed in another way" in " ".join(f.what for f in verify(recorded).found)


@pytest.mark.parametrize("place", ["entry", "entry/summary/averaged_um"])
def test_attributes_that_are_longer_than_any_are_not_shown(recorded, place):
    with h5py.File(recorded / "A" / "scan_0000.h5", "r+") as file:
        kind = h5py.string_dtype()
        file[place].attrs.create("reason" if place == "entry" else "units", "x" * 10**7, dtype=kind)
    findings = verify(recorded)
    assert "10000000 bytes" in " ".join(finding.what for finding in findings.found)
    assert max(len(finding.line(recorded)) for finding in findings.found) < 500


@pytest.mark.parametrize(
    "text",
    [
        b"n = " + b"1" * 5000,
        b".".join([b"a"] * 120_000) + b" = 1",
        b"[settings." + b".".join([b"a"] * 90) + b"]\nb = 1",
        b'[settings.onset]\nmode = "' + b"x" * 100_000 + b'"',
        b"[settings.onset]\nmode = " + b"[" * 400 + b"]" * 400,
        b"[settings.onset]\nmax_scans = " + b"9" * 4000,
        b"[settings]\nx = 1",
    ],
)
def test_settings_that_take_long_to_read_or_to_show_are_refused_in_one_line(recorded, text):
    (recorded / format.SETTINGS_FILE).write_bytes(b"format = 1\n" + text + b"\n")
    with pytest.raises(PitwatchError) as refused:
        _ = open_experiment(recorded).settings
    assert len(str(refused.value)) < 2000
    assert "\n" not in str(refused.value)


def table_of_zeros(group, names, rows):
    """Columns of which one row is on the disk: as long as any, or compressed."""
    how = {"compression": 9} if rows < 1e6 else {}
    for name, dtype in names.items():
        group.create_dataset(name, (rows,), dtype, chunks=(1000,), **how)[0] = 1


def in_pits(recorded, rows):
    with h5py.File(recorded / "A" / "scan_0000.h5", "r+") as file:
        names = {name: item.dtype for name, item in file["entry/pits"].items()}
        for name in names:
            del file[f"entry/pits/{name}"]
        table_of_zeros(file["entry/pits"], names, rows)


def in_readings(recorded, rows):
    with h5py.File(recorded / "A" / format.CYCLER_FILE, "w") as file:
        table_of_zeros(file, dict.fromkeys(format.CYCLER_COLUMNS, "f8"), rows)


@pytest.mark.parametrize(
    ("enlarge", "rows", "expected"),
    [
        (in_pits, 3_000_000, "262144 at most"),
        (in_pits, 200_000, "without compression"),
        (in_readings, 17_000_000, "16777216 at most"),
    ],
)
@pytest.mark.slow
def test_rows_that_take_nothing_on_the_disk_take_no_memory(recorded, enlarge, rows, expected):
    enlarge(recorded, rows)
    found = open_experiment(recorded)
    tracemalloc.start()
    try:
        Recorded(found, serving_settings(found, None, None)).publish().close()
        cell = found.cells["A"]
        with pytest.raises(RecordingError, match=expected):
            pits_of(cell.scans[0]) if enlarge is in_pits else cell.cycler()
        report = verify(recorded)
        assert tracemalloc.get_traced_memory()[1] < 2e7
    finally:
        tracemalloc.stop()
    assert report.found


def test_an_engine_goes_on_with_nobody_else_s_recording(recorded, monkeypatch):
    """Files in it could be links to anywhere, and lines are taken off and put behind them."""
    (recorded / LOCK_FILE).touch()
    mine = open_experiment(recorded).settings
    assert interrupted(mine, recorded.parent)[0] is not None
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to another user" in interrupted(mine, recorded.parent)[1]
    monkeypatch.undo()
    moved = recorded.rename(recorded.parent / "elsewhere")
    recorded.symlink_to(moved)
    assert "belongs to another user" in interrupted(mine, recorded.parent)[1]


@pytest.mark.parametrize(
    "event",
    [
        {"number": 5, "kind": "scan_request", "cell": "A", "time": 1.0, "data": {"id": [[]]}},
        {"number": 5, "kind": "scan_complete", "cell": [[]], "time": 1.0, "data": {}},
        {"number": 5, "kind": "alarm", "cell": "A", "time": 10**400, "data": {"text": {}}},
        {
            "number": 5,
            "kind": "alarm_acknowledged",
            "cell": "A",
            "time": 1.0,
            "data": {"alarm": []},
        },
        {"kind": "scan_request", "cell": "A", "data": {"id": "1", "reason": "x", "after_scan": 1}},
        {"number": 5, "cell": "A", "time": 1.0, "data": {}},
        {"number": 5, "kind": "scan_reply", "cell": "A", "time": 1.0},
        {"number": 5, "kind": "policy_changed", "cell": "A", "time": 1.0, "data": {"mode": 5}},
    ],
)
def test_events_may_be_anything(recorded, event):
    """They are shown as far as they are events, or left out; or judged, or refused in one line."""
    with (recorded / "A" / format.EVENTS_FILE).open("a") as file:
        file.write(json.dumps(event) + "\n")
    found = open_experiment(recorded)
    Recorded(found, serving_settings(found, None, None)).publish().close()
    try:
        backtest([recorded], [], as_json=True)
    except RecordingError as error:
        assert "damaged" in str(error)
        assert "\n" not in str(error)
