"""Readings that are completed, taken back or given another time, in `cycler.h5`."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.engine.serving.reading_history import Readings
from monitor.recording.read.experiment import open_experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import interrupted
from monitor.recording.verify.experiment import verify
from tests.recording.resume.test_interrupted import broken_off, chosen, gone_on_with
from tests.recording.synthetic import cycler_event, cycler_run, settings


def part(time, seq, **values):
    """An event with some of the data keys."""
    document = cycler_event("A", time, 0.0, seq)
    stamps = dict.fromkeys(values, time)
    return replace(document, doc={**document.doc, "data": values, "timestamps": stamps})


def whole(time, seq, current=-0.1):
    return part(time, seq, vmp_potential=2.1, vmp_current=current)


def split(time, seq):
    return [part(time, seq, vmp_potential=2.1), part(time, seq + 1, vmp_current=-0.1)]


def still(times):
    return [replace(e, doc={**e.doc, "time": t}) for t in times for e in [whole(5.0, int(t))]]


T = [1.6e9 + 10 * n for n in range(40)]
FEEDS = {
    "one reading far ahead": (
        [whole(t, n) for n, t in enumerate([*T[:5], 1.9e9, *T[5:20]])], T[:20],
    ),
    "the first one far ahead": (
        [whole(t, n) for n, t in enumerate([T[0], T[1], 2e9, *T[2:20]])], T[:20],
    ),
    "an event for each quantity": ([e for n, t in enumerate(T) for e in split(t, 2 * n)], T),
    "a page's worth of each": (
        [part(t, n, vmp_potential=2.1) for n, t in enumerate(T)]
        + [part(t, 40 + n, vmp_current=-0.1) for n, t in enumerate(T)], T,
    ),
    "timestamps that do not advance": (still(T), T),
    "a clock set back": ([whole(t - 3600 * (n > 20), n) for n, t in enumerate(T)], T),
}  # fmt: skip


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.slow
def test_the_file_has_the_readings_that_count(tmp_path, name, slow):
    """Also if all but the newest were on the disk already; and the screen has the same."""
    documents, expected = FEEDS[name]
    recorder, session, shown = Recorder(settings(tmp_path)), Session(settings(tmp_path)), Readings()
    for document in [*cycler_run("A"), *documents]:
        recorder.write("documents", (), document, session.feed(document))
        for point in session.points:
            shown.add_point(point)
        if slow:
            recorder.drain()
    recorder.close()
    with h5py.File(recorder.folder / "A" / "cycler.h5") as file:
        assert file["time"][()].tolist() == expected
        assert set(file["current_mA"][()]) == {-0.1} and set(file["potential_V"][()]) == {2.1}
        assert {len(column) for column in file.values()} == {len(expected)}
    assert shown.columns(1000, area_cm2=1.0)["time"].tolist() == expected
    assert [f for f in verify(recorder.folder).found if f.severity == "error"] == []
    again = Session(settings(tmp_path))
    for _, record in replay_records(open_experiment(recorder.folder)):
        again.feed(record)
    assert again._cells["A"].history.times == session._cells["A"].history.times
    assert again._cells["A"].history.stripped_mAh == session._cells["A"].history.stripped_mAh


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("at", [2, 9, 25])
def test_a_recording_that_is_gone_on_with_has_them_too(tmp_path, name, at):
    documents, expected = FEEDS[name]
    messages = [*cycler_run("A"), *documents]
    broken = broken_off(tmp_path, messages[:at])
    folder, _ = gone_on_with(broken, messages[at:])
    columns = open_experiment(folder).cells["A"].cycler()
    assert columns["time"].tolist() == expected
    assert np.isfinite(columns["current_mA"]).all()
    assert [f for f in verify(folder).found if f.severity == "error"] == []
    assert interrupted(chosen(folder.parent), folder.parent)[0] is None
