"""Channels in `channels.h5`: written, resumed, verified, repaired, replayed, exported."""

import csv
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.playback.opened import Recorded, serving_settings
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import as_begun, interrupted, settings_kept
from monitor.recording.verify.experiment import verify
from monitor.recording.verify.repair import repair
from monitor.records import CyclerDocument
from monitor.settings import parse
from tests.engine.screens import Screen
from tests.export.made_up import export
from tests.recording.synthetic import cycler_event, cycler_run

T0 = 1.6e9
COUNT = 40
ANY = "tcp://127.0.0.1:*"


def settings(data_dir: Path, **channels):
    return parse(
        {
            "experiment": {"name": "made-up", "data_dir": str(data_dir)},
            "channels": channels or {"ring": {"key": "sr", "title": "Ring current"}, "shut": "sh"},
            "cells": [{"name": "A", "channels": {"tc": {"key": "tc_1", "unit": "°C"}}},
                      {"name": "B"}],
        }
    )  # fmt: skip


def event(number, data, time=None):
    time = T0 + 10.0 * number if time is None else time
    doc = {"uid": f"m{number}", "descriptor": "machine-d", "seq_num": number, "time": time}
    stamps = dict.fromkeys(data, time)
    return CyclerDocument("event", {**doc, "data": data, "timestamps": stamps})


def documents(stray=False):
    """The machine's own run beside that of cell A; the unit of the ring current is in it."""
    keys = {"sr": {"units": "mA", "dtype": "number", "shape": [], "source": "sr"}}
    run = {"uid": "machine", "time": T0}
    descriptor = {"uid": "machine-d", "run_start": "machine", "name": "ring", "time": T0}
    made = [*cycler_run("A"), CyclerDocument("start", run)]
    made.append(CyclerDocument("descriptor", {**descriptor, "data_keys": keys}))
    for number in range(COUNT):
        if stray and number == 20:
            made.append(event(99, {"sr": 1.0}, T0 + 1e6))
        data = {"sr": 200.0 - number, "tc_1": 25.0}
        if number % 10 == 0:
            data["sh"] = number == 30
        made.append(event(number, data))
        made.append(cycler_event("A", T0 + 10.0 * number, 0.01 * number, number))
    return made


def record(data_dir, messages, *, slow=False, made=None):
    made = made or settings(data_dir)
    recorder, session = Recorder(made), Session(made)
    for document in messages:
        recorder.write("documents", (), document, session.feed(document))
        if slow:
            recorder.drain()
    return recorder, session


def columns(folder, cell="A"):
    found = open_experiment(folder).cells[cell].channels()
    return {one.name: (one.times.tolist(), one.values.tolist(), one.unit) for one in found}


def expected(cell="A"):
    times = [T0 + 10.0 * n for n in range(COUNT)]
    known = {
        "ring": (times, [200.0 - n for n in range(COUNT)], "mA"),
        "shut": (times[::10], [0.0, 0.0, 0.0, 1.0], ""),
        "tc": (times, [25.0] * COUNT, "°C"),
    }
    return known if cell == "A" else {name: known[name] for name in ("ring", "shut")}


def sound(folder):
    return [f.line(folder) for f in verify(folder).found if f.severity != "note"] == []


@pytest.fixture
def folder(tmp_path):
    recorder, _ = record(tmp_path, documents())
    recorder.close()
    return recorder.folder


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("stray", [True, False])
@pytest.mark.slow
def test_each_cell_has_its_channels_with_units(tmp_path, slow, stray):
    """Also if a value that was withdrawn was on the disk already."""
    recorder, _ = record(tmp_path, documents(stray=stray), slow=slow)
    recorder.close()
    for cell in "AB":
        assert columns(recorder.folder, cell) == expected(cell)
    assert sound(recorder.folder)


def test_the_file_opens_with_h5py_alone_and_is_of_nexus(folder):
    with h5py.File(folder / "A" / "channels.h5") as file:
        ring = file["ring"]
        assert ring.attrs["NX_class"] == "NXlog" and ring.attrs["title"] == "Ring current"
        assert ring.attrs["key"] == "sr"
        assert (ring["time"].attrs["units"], ring["value"].attrs["units"]) == ("s", "mA")
        assert len(ring["time"]) == len(ring["value"]) == COUNT


def test_a_recording_without_channels_has_no_file(tmp_path):
    made = parse({"experiment": {"name": "plain", "data_dir": str(tmp_path)}})
    recorder, _ = record(tmp_path, documents(), made=made)
    recorder.close()
    assert not list(recorder.folder.rglob("channels.h5")) and sound(recorder.folder)
    assert open_experiment(recorder.folder).cells["A"].channels() == []


def test_a_recording_of_before_opens(folder):
    """Settings without channels, and no file of them."""
    text = (folder / "experiment.toml").read_text()
    table = text.split("[settings.channels", 1)
    rest = table[1].split("[[settings.cells]]", 1)[1]
    cells = rest.split("[settings.cells.channels", 1)
    tail = cells[1].split("\n\n", 1)[1]
    (folder / "experiment.toml").write_text(table[0] + "[[settings.cells]]" + cells[0] + tail)
    (folder / "A" / "channels.h5").unlink()
    experiment = open_experiment(folder)
    assert experiment.settings.channels == {} and experiment.cells["A"].channels() == []
    session = Session(experiment.settings)
    assert sum(len(session.feed(r)) for _, r in replay_records(experiment)) == 0


def test_a_replay_brings_the_same_values(folder):
    experiment = open_experiment(folder)
    session, values = Session(experiment.settings), []
    for _, one in replay_records(experiment):
        session.feed(one)
        values += session.channel_values
    for name, (times, levels, unit) in expected().items():
        mine = [v for v in values if v.name == name]
        assert [v.time for v in mine] == times and [v.value for v in mine] == levels
        assert mine[-1].unit == unit


@pytest.mark.parametrize("at", [3, 9, 25, 70])
def test_a_recording_that_is_resumed_has_all_values(tmp_path, at):
    messages = documents(stray=True)
    recorder, _ = record(tmp_path / "first", messages[:at])
    assert recorder.drain()
    (tmp_path / "second").mkdir()
    copy = shutil.copytree(recorder.folder, tmp_path / "second" / recorder.folder.name)
    recorder.close()
    made = settings(copy.parent)
    found, why_not = interrupted(made, copy.parent)
    assert found is not None and why_not == ""
    session, again = Session(made), Recorder(made, go_on=found.path)
    for name, one in replay_records(found, resumed=True):
        again.write_again(name, one, session.feed(one))
    again.written_again()
    for one in messages[at:]:
        again.write("documents", (), one, session.feed(one))
    again.close()
    assert columns(copy) == expected() and columns(copy, "B") == expected("B")
    assert sound(copy)


@pytest.mark.parametrize("channels", [{"ring": "other"}, {"ring": {"key": "sr"}, "more": "x"}])
def test_a_recording_is_resumed_with_the_channels_that_it_has(tmp_path, channels):
    recorder, _ = record(tmp_path / "first", documents()[:9])
    assert recorder.drain()
    copy = shutil.copytree(recorder.folder, tmp_path / "second" / recorder.folder.name)
    recorder.close()
    given = settings(copy.parent, **channels)
    found, why_not = interrupted(given, copy.parent)
    assert found is not None and why_not == ""
    used = as_begun(given, found)
    assert used.all_channels == settings(copy.parent).all_channels
    assert settings_kept(given, used) == ["the channels remain ring, shut, tc"]
    assert settings_kept(used, as_begun(used, found)) == []


def test_a_recording_is_not_resumed_with_another_cell_and_it_is_said_how(tmp_path):
    recorder, _ = record(tmp_path / "first", documents()[:9])
    assert recorder.drain()
    copy = shutil.copytree(recorder.folder, tmp_path / "second" / recorder.folder.name)
    recorder.close()
    made = settings(copy.parent)
    cells = (made.cells[0].model_copy(update={"clock_offset_s": 7.0}), *made.cells[1:])
    found, why_not = interrupted(made.model_copy(update={"cells": cells}), copy.parent)
    assert found is None and "[cells] has changed" in why_not
    assert f"set [cells] as in {copy}" in why_not


def test_a_recording_that_is_opened_shows_them(folder):
    experiment = open_experiment(folder)
    publisher = Recorded(experiment, serving_settings(experiment, ANY, ANY)).publish()
    screen = Screen(publisher)
    try:
        for cell in "AB":
            known = screen.ask(type="state", since=-1)["cells"][cell]["channels"]
            assert {one["name"]: one["points"] for one in known} == {
                name: len(times) for name, (times, _, _) in expected(cell).items()
            }
            header, rows = screen.ask(type="channel", cell=cell, name="ring")
            assert header["units"] == "mA" and rows.tolist() == list(expected()["ring"][:2])
    finally:
        screen.close()
        publisher.close()


# --- damage ---------------------------------------------------------------------------------------


def shorten(file):
    for column in ("time", "value"):
        file["ring"][column].resize((7,))


def change(file):
    file["ring/value"][5] = 1.0


def one_column(file):
    file["ring/value"].resize((7,))


def rename(file):
    file.move("ring", "sting")


def other_unit(file):
    file["ring/value"].attrs["units"] = "A"


def back_in_time(file):
    file["ring/time"][5] = 0.0


@pytest.mark.parametrize(
    "harm", [shorten, change, one_column, rename, other_unit, back_in_time],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_damage_is_named_and_repaired_from_the_journal(folder, harm):
    path = folder / "A" / "channels.h5"
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        harm(file)
    findings = verify(folder)
    found = [f for f in findings.found if f.path == path]
    assert found and {f.severity for f in found} == {"error"}
    assert all(f.mend == "channels" for f in found)
    (done,) = repair(folder, findings)
    assert done.startswith("A/channels.h5: was written again from the journal, with 84 values")
    assert columns(folder) == expected() and sound(folder)


@pytest.mark.parametrize("how", ["missing", "torn", "empty"])
def test_a_file_that_is_gone_or_torn_is_written_again(folder, how):
    path = folder / "A" / "channels.h5"
    content = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(content[: len(content) // 3 if how == "torn" else 0])
        with pytest.raises(RecordingError):
            open_experiment(folder).cells["A"].channels()
    findings = verify(folder)
    assert [f.severity for f in findings.found if f.path == path] == ["error"]
    repair(folder, findings)
    assert columns(folder) == expected() and sound(folder)


def test_a_link_in_its_place_is_not_followed(folder):
    path = folder / "A" / "channels.h5"
    path.rename(folder.parent / "elsewhere.h5")
    path.symlink_to(folder.parent / "elsewhere.h5")
    with pytest.raises(RecordingError, match="a link"):
        open_experiment(folder).cells["A"].channels()
    assert any("link" in f.what for f in verify(folder).found if f.path == path)


# --- export ---------------------------------------------------------------------------------------


def test_channels_are_exported_as_a_table(folder, tmp_path):
    out = export(folder, "csv", tmp_path / "out")
    assert [path.name for path in out.iterdir()] == ["channels.csv"]  # there is no scan
    with (out / "channels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["cell", "channel", "unit", "time", "time_s", "value"]
    for cell in "AB":
        for name, (times, values, unit) in expected(cell).items():
            mine = [row for row in rows if (row["cell"], row["channel"]) == (cell, name)]
            assert np.allclose([float(row["time_s"]) for row in mine], times, atol=1e-6)
            assert [float(row["value"]) for row in mine] == values
            assert {row["unit"] for row in mine} == {unit}
    assert rows[0]["time"] == "2020-09-13T12:26:40.000000+00:00"
