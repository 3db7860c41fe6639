"""Runs commands of `pitwatch`, each in a process of its own that can be made to end.

The server imports everything once and forks for each command: `python -m
tests.studies.hostile_recordings.commands`. It reads one JSON list a line, the arguments, and
answers with one JSON object a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SERVING = b"serving "
HANGS_S = float(os.environ.get("HANGS_S", "120"))
"""A guard: what is wanted is a few seconds."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: `code` is None if it had to be killed. `memory_MB`: the most that it had
    at once, with the program itself."""

    code: int | None
    said: str
    seconds: float
    cpu_s: float
    memory_MB: float

    @property
    def lines(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.strip()]


class Commands:
    """The server's end that a test holds."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.studies.hostile_recordings.commands"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )

    def run(self, *arguments: str | Path) -> Ended:
        """The command line; one that serves is asked to end as soon as it says so."""
        server = self._server
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps([str(one) for one in arguments]).encode() + b"\n")
        server.stdin.flush()
        return Ended(**json.loads(server.stdout.readline()))

    def close(self) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def reprocess_here(folder: str, out: str) -> int:
    """`reprocess` without a cluster, which takes seconds to start."""
    from monitor.errors import PitwatchError
    from monitor.playback.replay import replay_settings
    from monitor.recording.read.experiment import open_experiment
    from monitor.reprocess.measure import reprocess
    from monitor.reprocess.settings import changed
    from tests.helpers.pools import Here

    try:
        found = open_experiment(Path(folder).resolve())
        settings = changed(replay_settings(found.settings), [])
        reprocess(found, settings, Here(), Path(out), lambda text: None)
    except PitwatchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _child(arguments: Sequence[str], said: Any) -> None:
    """Never returns."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        sys.argv = ["launch.py", *arguments]
        if arguments[0] == "reprocess":
            code = reprocess_here(arguments[1], arguments[2])
        else:
            from monitor.cli.command_line import run

            code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        pid = os.fork()
        if not pid:
            _child(arguments, said)
        asked = killed = False
        while True:
            ended, status, used = os.wait4(pid, os.WNOHANG)
            if ended:
                break
            taken = time.monotonic() - begun
            if not asked and SERVING in os.pread(said.fileno(), 100_000, 0):
                os.kill(pid, signal.SIGTERM)
                asked = True
            if taken > HANGS_S and not killed:
                os.kill(pid, signal.SIGKILL)
                killed = True
            time.sleep(0.005)
        return {
            "code": None if killed else os.waitstatus_to_exitcode(status),
            "said": os.pread(said.fileno(), 1_000_000, 0).decode("utf-8", "replace"),
            "seconds": time.monotonic() - begun,
            "cpu_s": used.ru_utime + used.ru_stime,
            "memory_MB": used.ru_maxrss / 1000,
        }


def _serve() -> None:
    import monitor.cli.command_line
    import monitor.playback.opened
    import monitor.playback.replay
    import monitor.recording.verify.experiment
    import monitor.recording.verify.repair
    import monitor.report.build
    import monitor.report.policies
    import monitor.reprocess.measure  # noqa: F401 - each child would do it again
    from monitor.cli.output import make_readable

    make_readable()
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


if __name__ == "__main__":
    _serve()
