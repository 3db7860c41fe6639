"""Names, notes and files of others are printed as they are: no markup, no link, no order to the
terminal, and never a traceback."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from monitor.cli import command_line
from monitor.cli.output import Messages, labelled, make_readable, progress_of
from monitor.recording.error_log import ErrorLog
from tests.recording.synthetic import Scene, settings, write_scan

ORDERS = {
    "closing tag": "a[/x]",
    "tag": "a[red]b",
    "link": "[link=x:y]a[/link]",
    "emoji": "a:x:b",
    "colour": "a\x1b[31mb",
    "title": "a\x1b]0;title\x07b",
    "hyperlink": "a\x1b]8;;http://example.org\x1b\\b",
    "C1": "a\x9b31mb",
    "line": "a\nerror: b",
    "return": "a\rb",
    "override": "a\u202eb",
    "separator": "a\u2028b",
    "zero width": "a\u200bb",
    "surrogate": "a\udce9b",
}
Run = Callable[..., str]


def is_harmless(said: str) -> bool:
    return all(line.isprintable() for line in said.split("\n"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(words…): what the command prints."""
    monkeypatch.setenv("COLUMNS", "1000")
    for hook in ("excepthook", "stdout", "stderr"):
        monkeypatch.setattr(sys, hook, getattr(sys, hook))

    def command(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["pitwatch", *words])
        command_line.run()
        told = capsys.readouterr()
        return told.out + told.err

    return command


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from monitor.engine.recorder import Recorder

    recorder = Recorder(settings(tmp_path_factory.mktemp("runs")))
    for scan in range(2):
        write_scan(recorder, Scene(nz=8), scan, charge_mAh_cm2=0.5 * scan)
    recorder.close()
    return recorder.folder


@pytest.mark.parametrize("words", ORDERS.values(), ids=ORDERS)
def test_a_wrong_argument_is_printed_as_it_is(run: Run, words: str) -> None:
    for command in (("verify", words), ("report", words), ("backtest", words), (words,)):
        said = run(*command)
        assert len(said.splitlines()) == 1 and is_harmless(said), said
        assert words in said or "\\" in said


@pytest.mark.parametrize("words", ORDERS.values(), ids=ORDERS)
@pytest.mark.slow
def test_the_folder_of_a_report_is_printed_as_it_is(
    run: Run, recorded: Path, tmp_path: Path, words: str
) -> None:
    folder = tmp_path / words.replace("/", "∕")
    shutil.copytree(recorded, folder)
    said = run("report", str(folder), "--out", str(folder / "a[red]b"))
    assert is_harmless(said) and "a[red]b" in said and "relief.png" in said


def test_names_in_a_recording_are_printed_as_they_are(
    run: Run, recorded: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(recorded, folder)
    with h5py.File(folder / "A" / "scan_0001.h5", "r+") as file:
        for words in ORDERS.values():
            name = words.encode("utf-8", "surrogateescape")
            file["entry/reconstruction"].attrs[name] = words.encode("utf-8", "replace")
    (folder / "A" / "left\x1b]0;t\x07\nerror: over.part").write_bytes(b"")
    said = run("verify", str(folder))
    assert is_harmless(said) and "error: " in said
    assert "a[red]b" in said and "a:x:b" in said and "a[/x]" in said
    assert not [line for line in said.splitlines() if line.startswith(("error: b", "error: over"))]
    assert is_harmless(run("report", str(folder), "--out", str(tmp_path / "out")))


@pytest.mark.parametrize("words", ORDERS.values(), ids=ORDERS)
def test_lines_tables_and_bars(words: str) -> None:
    from rich.table import Table

    said = io.StringIO()
    console = Messages(file=said, width=300, force_terminal=True, color_system=None)
    table = Table(title=words)
    table.add_column(words)
    table.add_row(words)
    console.print(words, table, labelled("error", "red", words), soft_wrap=True)
    assert is_harmless(said.getvalue().replace("\t", "")), said.getvalue()
    plain = [part for part in ("[/x]", "[red]", "[link=", ":x:") if part in words]
    assert all(said.getvalue().count(part) == 5 for part in plain)


@pytest.mark.parametrize("words", ["a[/x]", "[link=http://example.org]a[/link]", "a{task.id}b"])
def test_a_bar_shows_its_text(words: str) -> None:
    said = io.StringIO()
    with progress_of(Messages(file=said, width=300)) as progress:
        progress.add_task(words, total=1)
    assert words in said.getvalue()


def test_an_error_that_ends_the_program_gives_no_orders(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for hook in ("excepthook", "stdout", "stderr"):
        monkeypatch.setattr(sys, hook, getattr(sys, hook))
    import threading

    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    make_readable()
    try:
        raise ValueError("a\x1b]0;t\x07\u202eb")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, None))
        )
    said = capsys.readouterr().err
    assert said.count("ValueError: a\\x1b]0;t\\x07\\u202eb") == 2 and is_harmless(said)


def test_the_log_of_errors_gives_no_orders(tmp_path: Path) -> None:
    log = ErrorLog(tmp_path)
    for words in ORDERS.values():
        try:
            raise ValueError(f"{words}\n--- 2026-01-01T00:00:00+00:00 engine")
        except ValueError as error:
            assert log.write("recorder", error)
    text = log.path.read_text("utf-8")
    assert is_harmless(text)
    assert text.count("\n--- ") + text.startswith("--- ") == len(ORDERS)
