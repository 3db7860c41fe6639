"""What must be so of every command on every hostile recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.studies.hostile_recordings.commands import Commands, Ended
from tests.studies.hostile_recordings.kinds import MARK, NUMBER

COMMANDS: dict[str, Sequence[str]] = {
    "open": ("open", "{folder}", "--headless"),
    "replay": ("replay", "{folder}", "--headless"),
    "replay --out": ("replay", "{folder}", "--headless", "--out", "{out}/replay"),
    "report": ("report", "{folder}"),
    "report --json": ("report", "{folder}", "--json"),
    "backtest": ("backtest", "{folder}", "--json", "--out", "{out}/backtest"),
    "reprocess": ("reprocess", "{folder}", "{out}/again"),
    "verify": ("verify", "{folder}"),
    "verify --repair": ("verify", "{folder}", "--repair"),
}
"""`verify --repair` last: it may mend what was done."""


def check(
    commands: Commands, folder: Path, outside: Path, out: Path, names: Sequence[str]
) -> dict[str, Ended]:
    """Runs the commands; how each ended. Raises AssertionError."""
    before, ends = state(outside), {}
    for name in names:
        arguments = [one.format(folder=folder, out=out) for one in COMMANDS[name]]
        ended = ends[name] = commands.run(*arguments)
        assert ended.code is not None, f"{name} waits for ever: {ended.said}"
        assert ended.code in (0, 1, 2), f"{name}: {ended}"
        assert "Traceback" not in ended.said, f"{name}: {ended.said}"
        if ended.code and not name.startswith("verify"):
            wrong = [line for line in ended.lines if line.startswith(("error:", "setting:"))]
            assert wrong == ended.lines[-1:], f"{name}: {ended.said}"
        for text in (MARK.decode(), repr(NUMBER)):
            assert text not in ended.said, f"{name} shows what is outside"
        assert state(outside) == before, f"{name} has changed what is outside"
    for path in out.rglob("*") if out.exists() else ():
        assert not path.is_file() or MARK not in path.read_bytes(), path
    return ends


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Times and contents of all that is outside."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }
