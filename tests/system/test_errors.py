"""What goes wrong at the start ends in one line, with the exit code of its kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_no_display_for_a_screen() -> None:
    _fails(1, "no display", "gui")


@pytest.mark.parametrize(
    "command", ["demo", "engine", "open", "replay", "publish", "report", "doctor"]
)
def test_every_command_has_help(command: str) -> None:
    shown = launch(command, "--help")
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def _fails(code: int, word: str, *arguments: str) -> None:
    run = launch(*arguments)
    said = run.stderr.strip()
    assert run.returncode == code, said
    assert word in said
    lines = [line for line in said.splitlines() if line.startswith(("setting:", "error:"))]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    assert not re.search(r"\n.*\n.*\n", said), "more than a line or two"
