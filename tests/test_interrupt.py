"""A second Ctrl-C: the process ends at once, whatever is still open in it."""

import subprocess
import sys

import pytest

from tests.system.running import ROOT

CODE = """
import sys
sys.path.insert(0, {root!r})
import zmq
import launch
left = zmq.Context().socket(zmq.PUB)
def app(**options):
    print("said before")
    {ends}
launch.app = app
sys.exit(launch.run())
"""


@pytest.mark.parametrize("ends", ["raise KeyboardInterrupt", "return 130"])
def test_an_interrupted_command_ends_though_a_socket_is_open(ends):
    code = CODE.format(root=str(ROOT), ends=ends)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 130
    assert done.stdout == b"said before\n"
    assert done.stderr == b""
