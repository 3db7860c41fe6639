"""A recording may have been written by anybody: it is read, and nothing else happens."""

from __future__ import annotations

import tomllib

import h5py
import numpy as np
import pytest
import tomli_w

from monitor.engine.record import Recorder
from monitor.errors import RecordingError
from monitor.keys import is_local, make_keys
from monitor.opened import serving_settings
from monitor.recording import layout
from monitor.recording.read import MAX_SETTINGS_BYTES, open_experiment
from monitor.replay import replay_settings
from tests.recording.synthetic import Scene, settings, write_scan


@pytest.fixture
def recorded(tmp_path):
    """The folder of an experiment with one scan."""
    recorder = Recorder(settings(tmp_path))
    write_scan(recorder, Scene(), 0)
    recorder.close()
    return recorder.folder


def with_settings(folder, **sections):
    """The experiment, with these sections of its settings changed."""
    path = folder / layout.SETTINGS_FILE
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
    path = recorded / layout.SETTINGS_FILE
    table = tomllib.loads(path.read_text()) | {"settings": settings_table}
    path.write_text(tomli_w.dumps(table))
    with pytest.raises(RecordingError, match="is damaged"):
        open_experiment(recorded)


def test_settings_have_a_largest_size(recorded):
    path = recorded / layout.SETTINGS_FILE
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
