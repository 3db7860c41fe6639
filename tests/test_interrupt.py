"""A second Ctrl-C: the process ends at once, whatever is still open in it."""

import subprocess
import sys

import pytest

from tests.system.running import ROOT

CODE = """
import sys
sys.path.insert(0, {root!r})
import zmq
from monitor.cli import command_line
left = zmq.Context().socket(zmq.PUB)
def app(**options):
    print("said before")
    {ends}
command_line.app = app
sys.exit(command_line.run())
"""


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["raise KeyboardInterrupt", "return 130"])
def test_an_interrupted_command_ends_though_a_socket_is_open(ends):
    code = CODE.format(root=str(ROOT), ends=ends)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 130
    assert done.stdout == b"said before\n"
    assert done.stderr == b""
