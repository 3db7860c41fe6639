"""Everything in this folder starts processes of the program, or is the program's command line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import command_line

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """command(arguments…) → what `running.launch` returns; in this process, which saves a start."""

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["pitwatch", *arguments])
        capsys.readouterr()
        code = command_line.run()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    return run
