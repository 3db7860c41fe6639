"""What is printed can be read on any terminal, and printing ends nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli import output
from monitor.cli.output import Messages, make_readable
from tests.recording.synthetic import Scene, cycler_event, cycler_run, settings, write_scan
from tests.system.running import PATIENCE_S, PROGRAM, launch


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("ascii", "2.85 µm ± 0.1, 0.55 mA/cm², 2 × 3 …", "2.85 um +- 0.1, 0.55 mA/cm2, 2 x 3 ..."),
        ("latin-1", "2.85 µm ± 0.1 – σ → ²", "2.85 µm ± 0.1 - sigma -> ²"),
        ("cp1252", "2.85 µm – σ ≥ 3", "2.85 µm – sigma >= 3"),
        ("ascii", "Zelle Förster, naïve, 電池", "Zelle Forster, naive, ??"),
        ("utf-8", "half \ud800, caf\udce9, µ", "half ?, caf?, µ"),
        ("iso8859-5", "Ячейка µm", "Ячейка um"),
    ],
)  # fmt: skip
def test_what_an_encoding_cannot_show_is_replaced(
    monkeypatch: pytest.MonkeyPatch, encoding: str, text: str, shown: str
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    make_readable()
    print(text)
    stream.flush()
    assert raw.getvalue().decode(encoding).rstrip() == shown


def test_an_order_of_the_user_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="xmlcharrefreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    make_readable()
    assert stream.errors == "xmlcharrefreplace"


def test_all_replacements_are_ascii() -> None:
    assert all(text.isascii() for text in output.REPLACEMENTS.values())


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(5, "I/O error")])
def test_nobody_who_listens_is_no_reason_to_end(error: OSError) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise error

        flush = write  # type: ignore[assignment]

    messages = Messages(file=Gone())
    messages.print("ready")
    messages.print("ready")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from monitor.engine.recorder import Recorder

    recorder = Recorder(settings(tmp_path_factory.mktemp("runs")))
    for record in cycler_run("A"):
        recorder.write("documents", (), record, ())
    for scan in range(3):
        event = cycler_event("A", 1.6e9 + 3600.0 * scan, 0.1 * scan, scan)
        recorder.write("documents", (), event, ())
        write_scan(recorder, Scene(nz=8), scan, charge_mAh_cm2=0.5 * scan)
    recorder.close()
    return recorder.folder


COMMANDS = ["doctor", "report FOLDER --out OUT", "backtest FOLDER", "verify FOLDER", "--help",
            "report FOLDER --json", "replay FOLDER --from 7"]  # fmt: skip
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""},
}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_in_any_encoding(
    tmp_path: Path, recorded: Path, command: str, encoding: str
) -> None:
    words = [{"FOLDER": str(recorded), "OUT": str(tmp_path)}.get(w, w) for w in command.split()]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        capture_output=True,
        timeout=PATIENCE_S,
        env={**os.environ, "DISPLAY": "", "COLUMNS": "200", **ENCODINGS[encoding]},
        check=False,
    )
    said = (done.stdout + done.stderr).decode("latin-1")
    assert done.returncode == (1 if "replay" in command else 0), said
    assert "Traceback" not in said and "UnicodeEncodeError" not in said
    if encoding != "latin-1":
        assert said.isascii()
    if "--json" in command:
        json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ("--help", 0, "backtest"),
        ("--version", 0, "pitwatch 0."),
        ("--headless --help", 0, "--scenario"),
        ("--scans 0", 2, "--scans: got '0'"),
        ("--headless verify x", 2, "got 'verify x', expected no more"),
        ("--nonsense", 2, "option: got '--nonsense'"),
        ("nonsense", 2, "command: got 'nonsense'"),
    ],
)
def test_what_comes_without_a_command(given: str, code: int, told: str) -> None:
    done = launch(*given.split())
    assert done.returncode == code, done.stderr
    assert told in done.stdout + done.stderr
