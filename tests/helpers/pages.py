"""Pages of the documentation: their commands are run as they stand there, in a folder of their own.

Only the addresses differ: each port of this machine that a page names, or that is a default, is
replaced by a free one, in commands, settings and programs alike.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from monitor.processes import free_addresses
from monitor.settings import as_table, parse
from tests.helpers.waiting import PATIENCE_S
from tests.system.running import PROGRAM, ROOT

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)
LOCAL = re.compile(r"(127\.0\.0\.1:|localhost:|--port )(\d{4,5})")
CONTINUED = re.compile(r"\\\n\s*")


class Page:
    """A page of `docs/how-to`."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / "docs" / "how-to" / name).read_text("utf-8")

    def blocks(self, language: str) -> list[str]:
        """The texts in fences of a language, in their order."""
        found = BLOCK.findall(self.text)
        return [re.sub(f"^{space}", "", text, flags=re.M) for space, name, text in found
                if name == language]  # fmt: skip

    def commands(self) -> list[str]:
        """All lines for a shell; one that is continued is one."""
        text = "\n".join(CONTINUED.sub(" ", block) for block in self.blocks("sh"))
        return [line for line in text.splitlines() if line and not line.startswith("#")]


class Terminals:
    """Terminals in one folder, with `pitwatch` and the programs of this environment at hand."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._ports: dict[str, str] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        programs = folder / ".programs"
        programs.mkdir()
        pitwatch = programs / "pitwatch"
        pitwatch.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROGRAM}" "$@"\n')
        pitwatch.chmod(0o755)
        path = os.pathsep.join(
            [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        self.environment = {**os.environ, **environment, "PATH": path}

    def placed(self, text: str) -> str:
        """With a free port in place of each that the text names."""
        return LOCAL.sub(lambda match: f"{match[1]}{self.port(match[2])}", text)

    def port(self, number: int | str) -> str:
        """The free port in place of this one."""
        if str(number) not in self._ports:
            self._ports[str(number)] = free_addresses(1)[0].rpartition(":")[2]
        return self._ports[str(number)]

    def write_settings(self, *texts: str, **sections: Any) -> Path:
        """`my.toml` with all that the blocks of a page say, all addresses free."""
        table: dict[str, Any] = {}
        for text in texts:
            table |= tomllib.loads(text)
        for name, section in sections.items():
            table[name] = table.get(name, {}) | section
        path = self.folder / "my.toml"
        path.write_text(self.placed(tomli_w.dumps(as_table(parse(table)))))
        return path

    def run(self, line: str, *more: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end; it must succeed. `more`: options that the page need not have."""
        done = subprocess.run(
            ["bash", "-c", self._whole(line, more)], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr}\n{done.stdout}"
        return done

    def start(self, line: str, *more: str) -> subprocess.Popen[bytes]:
        """A command that runs until it is ended."""
        command = f"exec env {self._whole(line, more)}"
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self.folder, env=self.environment,
            start_new_session=True,  # a group: its own children end with it
        )  # fmt: skip
        self._started.append(process)
        return process

    def _whole(self, line: str, more: tuple[str, ...]) -> str:
        return " ".join([self.placed(line), *more])

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """As Ctrl-C does; it must succeed."""
        process.terminate()
        assert process.wait(PATIENCE_S) == 0

    def close(self) -> None:
        """Ends what still runs."""
        for process in reversed(self._started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
