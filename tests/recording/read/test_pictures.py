"""Pictures of grain boundaries: a recording holds its own, and no path in it is followed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from monitor.engine.recorder import Recorder
from monitor.errors import SettingError
from monitor.playback.opened import serving_settings
from monitor.playback.replay import replay_settings
from monitor.recording import format
from monitor.recording.read.experiment import open_experiment
from monitor.recording.resume.interrupted import LOCK_FILE, interrupted
from monitor.recording.verify.experiment import verify
from monitor.settings import Settings, parse
from monitor.sources.pictures import read_picture
from tests.studies.hostile_recordings.kinds import with_settings

MARKS = [[0.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 9.0], [9.0, 0.0, 9.0, 0.0]]


def lines() -> np.ndarray:
    image = np.zeros((40, 30), np.uint8)
    image[::8] = 255
    return image


def chosen(data_dir: Path, image: Path) -> Settings:
    cell = {"name": "A", "boundaries": {"image": str(image), "landmarks": MARKS}}
    return parse({"experiment": {"name": "run", "data_dir": str(data_dir)}, "cells": [cell]})


@pytest.fixture
def drawn(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(lines()).save(tmp_path / "pictures" / "grains.png")
    return tmp_path / "pictures" / "grains.png"


def record(settings: Settings) -> Path:
    recorder = Recorder(settings)
    recorder.close()
    return recorder.folder


def image_of(settings: Settings) -> Path:
    (cell,) = settings.cells
    assert cell.boundaries is not None
    return Path(cell.boundaries.image)


def test_a_recording_holds_its_pictures_and_reads_no_others(tmp_path, drawn):
    folder = record(chosen(tmp_path / "runs", drawn))
    drawn.unlink()
    moved = folder.rename(tmp_path / "moved")
    experiment = open_experiment(moved)
    for settings in (
        experiment.settings,
        serving_settings(experiment, None, None),
        replay_settings(experiment.settings),
    ):
        assert image_of(settings) == moved / "A" / "grain_boundaries.png"
        np.testing.assert_array_equal(read_picture(image_of(settings), "bright"), lines() > 0)
    assert verify(moved).found == []


@pytest.mark.parametrize("image", ["/etc/passwd", "../../../etc/passwd", "{}/secret.png"])
def test_a_path_in_a_recording_leads_nowhere(tmp_path, drawn, image):
    folder = record(chosen(tmp_path / "runs", drawn))
    (folder / "A" / "grain_boundaries.png").unlink()
    Image.fromarray(lines()).save(tmp_path / "secret.png")
    asked = {"image": image.format(tmp_path), "landmarks": MARKS}
    with_settings(folder, lambda table: table["cells"][0].update(boundaries=asked))
    found = image_of(open_experiment(folder).settings)
    assert found.parent == folder / "A"
    with pytest.raises(SettingError, match="FileNotFoundError"):
        read_picture(found, "bright")


def test_one_that_cannot_be_read_does_not_stop_a_start(tmp_path):
    folder = record(chosen(tmp_path / "runs", tmp_path / "none.png"))
    assert [p.name for p in (folder / "A").iterdir() if "grain" in p.name] == []


def test_a_recording_that_broke_off_is_gone_on_with_all_the_same(tmp_path, drawn):
    settings = chosen(tmp_path / "runs", drawn)
    folder = record(settings)
    (folder / LOCK_FILE).touch()
    assert interrupted(settings, folder.parent)[0] is not None
    other = chosen(tmp_path / "runs", drawn.with_name("other.tif"))
    assert "[cells] has changed" in interrupted(other, folder.parent)[1]


@pytest.mark.parametrize("harm", ["link", "pipe"])
def test_a_recording_with_a_link_in_it_is_not_gone_on_with(tmp_path, drawn, harm):
    settings = chosen(tmp_path / "runs", drawn)
    folder = record(settings)
    (folder / LOCK_FILE).touch()
    if harm == "link":
        (folder / "A" / format.EVENTS_FILE).symlink_to(drawn)
    else:
        os.mkfifo(folder / "A" / format.EVENTS_FILE)
    found, why = interrupted(settings, folder.parent)
    assert found is None and f"A/events.jsonl in it is a {harm}" in why


def test_nothing_that_a_recording_says_is_written_into(tmp_path, drawn):
    folder = record(chosen(tmp_path / "runs", drawn))
    second = {"second_dir": str(tmp_path / "second")}
    with_settings(folder, lambda table: table["experiment"].update(second))
    experiment = open_experiment(folder)
    assert experiment.settings.experiment.second_dir == ""
    made = replay_settings(experiment.settings)
    recorder = Recorder(made, tmp_path / "out")
    recorder.close()
    text = (recorder.folder / format.SETTINGS_FILE).read_text()
    assert tomllib.loads(text)["settings"]["experiment"]["second_dir"] == ""


# --- what is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.tiff", "a.unknown"])
def test_a_picture_is_known_by_what_it_holds(tmp_path, name):
    kind = {"a.jpg": "JPEG", "a.bmp": "BMP", "a.tif": "TIFF", "a.tiff": "TIFF"}.get(name, "PNG")
    Image.fromarray(lines()).save(tmp_path / name, kind)
    np.testing.assert_array_equal(read_picture(tmp_path / name, "bright"), lines() > 0)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["grains.png", "grains.tif", "grains.eps"])
def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch, name):
    """Pillow gives PostScript to Ghostscript, whatever the file is called."""
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/gs")
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(SettingError, match="a PNG or TIFF picture"):
        read_picture(tmp_path / name, "bright")
    assert started == []


@pytest.mark.parametrize("kind", ["GIF", "PPM", "TGA", "PDF", "ICO", "PCX"])
def test_other_formats_are_refused(tmp_path, kind):
    Image.fromarray(lines()).save(tmp_path / "a.png", kind)
    with pytest.raises(SettingError, match="a PNG or TIFF picture"):
        read_picture(tmp_path / "a.png", "bright")


def test_a_link_and_a_pipe_are_refused(tmp_path, drawn):
    (tmp_path / "link.png").symlink_to(drawn)
    os.mkfifo(tmp_path / "pipe.png")
    for name, what in (("link.png", "a link to another place"), ("pipe.png", "a pipe")):
        with pytest.raises(SettingError, match=what):
            read_picture(tmp_path / name, "bright")


def test_a_series_of_tiff_files_is_not_followed(tmp_path):
    """An OME-TIFF names the files that hold its planes."""
    secret = tmp_path / "secret.ome.tif"
    tifffile.imwrite(secret, lines(), metadata={"axes": "YX"})
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="30" '
        'SizeY="40" SizeZ="1" SizeC="1" SizeT="1"><TiffData IFD="0" PlaneCount="1">'
        f'<UUID FileName="{secret}">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>'
    )
    own = 255 - lines()
    tifffile.imwrite(tmp_path / "a.tif", own, description=xml, metadata=None)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif", "dark"), own == 0)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_memory_is_not_taken_for_what_a_picture_claims(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    side = 9000
    if kind == "png":
        Image.new("1", (side, side)).save(path)
    else:
        tifffile.imwrite(path, shape=(side, side), dtype=np.uint8)
    with pytest.raises(SettingError, match="81 Mpx, at most 67"):
        read_picture(path, "bright")
