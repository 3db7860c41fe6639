"""What goes wrong at the start ends in one line, with the exit code of its kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.system.running import engine, launch, write_config


def test_an_unknown_key_is_named_with_its_nearest(tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text('[feeds]\nslicse = ["tcp://127.0.0.1:5601"]\n')
    _fails(2, "did you mean 'slices'", "engine", "--config", str(config))


def test_a_setting_of_the_wrong_type(tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text('[[cells]]\nname = "A"\nelectrode_diameter_mm = "wide"\n')
    _fails(2, "electrode_diameter_mm: got 'wide'", "simulate", "--config", str(config))


def test_a_missing_settings_file(tmp_path: Path) -> None:
    _fails(2, "nowhere.toml", "engine", "--config", str(tmp_path / "nowhere.toml"))


def test_an_unknown_scenario() -> None:
    _fails(2, "paper-0.55", "demo", "--headless", "--scenario", "paper-0.54")


def test_an_address_in_use(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with engine(config):
        _fails(1, "in use", "engine", "--config", str(config))


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "taken").write_text("")
    _fails(1, "taken", "engine", "--config", str(config), "--out", str(tmp_path / "taken"))


def test_a_recording_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "experiment.toml").write_text("format = 999\n")
    _fails(1, "999", "report", str(tmp_path))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("demo --speed abc", "--speed: got 'abc', expected a valid number"),
        ("demo --scans 0", "--scans: got '0', expected a number greater than or equal to 1"),
        ("publish x --voxel-um abc", "--voxel-um: got 'abc', expected a valid number"),
        ("replay runs/x --speed max", "--speed: got 'max'"),
        ("engine", "--config: got None, expected a value"),
        ("engine --config", "--config: got None, expected a value"),
        ("publish", "volumes: got None, expected a value"),
        ("gui --conect x", "option: got '--conect', expected an option of this command, perhaps"),
        ("demo --headless=3", "'--headless' does not take a value"),
        ("doctor x", "arguments: got 'x', expected no more"),
        ("observe", "command: got 'observe', expected one of demo, monitor"),
        ("gui --connect nonsense", "--connect: got 'nonsense', expected an address such as"),
        ("gui --status tcp://127.0.0.1:99999", "--status: got 'tcp://127.0.0.1:99999'"),
        ("publish x.h5 --cycler-time x", "--cycler-time: got 'x', expected own or scaled"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    line: str, said: str, command: Callable[..., Any]
) -> None:
    shown = _failed(2, said, command(*line.split()))
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    ("code", "more", "said"),
    [
        (1, "--cycler nowhere.mpt", "nowhere.mpt: cannot be read"),
        (2, "--voxel-um -1", "voxel size: got -1.0"),
        (2, "--period -1", "period: got -1.0"),
        (2, "--cell=", "cell: got ''"),
        (2, "--follow", "--follow: got None"),
        (2, "--endpoint nonsense", "got 'nonsense'"),
    ],
)
def test_what_cannot_be_published_is_one_line(
    code: int, more: str, said: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 4, 4), np.uint8), photometric="minisblack")
    shown = _failed(code, said, command("publish", str(tmp_path / "a.tif"), *more.split()))
    assert len(shown.splitlines()) == 1


def test_no_display_for_a_screen() -> None:
    _fails(1, "no display", "gui")


@pytest.mark.parametrize(
    "name", ["demo", "engine", "open", "replay", "publish", "report", "doctor"]
)
def test_every_command_has_help(name: str, command: Callable[..., Any]) -> None:
    shown = command(name, "--help")
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def _fails(code: int, word: str, *arguments: str) -> str:
    return _failed(code, word, launch(*arguments))


def _failed(code: int, word: str, run: Any) -> str:
    said = run.stderr.strip()
    assert run.returncode == code, said
    assert word in said
    lines = [line for line in said.splitlines() if line.startswith(("setting:", "error:"))]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    assert not re.search(r"\n.*\n.*\n", said), "more than a line or two"
    return str(said)
