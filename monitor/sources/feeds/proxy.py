"""A stock bluesky Proxy in a process of its own: `python -m monitor.sources.feeds.proxy IN OUT`.

A Proxy runs until it is interrupted and cannot be closed from another thread, so it gets a process,
which ends with the one that started it: when its standard input closes.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

from monitor.errors import MissingSoftware, SettingError
from monitor.processes import own_environment
from monitor.sockets.keys import check_local

START_S = 60.0
STOP_S = 5.0
POLL_S = 0.05


class ProxyProcess:
    """Readings sent to `address_in` come out at `address_out` ("127.0.0.1:5577", tcp:// or not)."""

    def __init__(self, address_in: str, address_out: str) -> None:
        addresses = [address.removeprefix("tcp://") for address in (address_in, address_out)]
        for address in addresses:
            _check_free(address)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "monitor.sources.feeds.proxy", *addresses],
            stdin=subprocess.PIPE,
            env=own_environment(),
        )
        try:
            for address in addresses:
                self._wait_for(address)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for(self, address: str) -> None:
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(_host_port(address), timeout=1.0).close()
                return
            except OSError:
                time.sleep(POLL_S)
        raise MissingSoftware(
            f"documents proxy: does not start at {address}; run 'python -m bluesky.commandline."
            "zmq_proxy --help' to see whether bluesky is installed whole"
        )


def _check_free(address: str) -> None:
    _host_port(address)
    check_local(address, "cycler documents")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(_host_port(address))
    except OSError as error:
        raise SettingError(
            "cycler documents",
            got=address,
            expected=f"a free local address ({error.strerror})",
            todo="choose another, or stop what uses it",
        ) from None


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise SettingError(
            "cycler documents", got=address, expected="host:port", todo="correct the address"
        )
    return host, int(port)


def main(address_in: str, address_out: str) -> None:
    """Runs the Proxy until standard input closes."""
    # Ctrl-C reaches the whole group: the parent still has its last documents to send through here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from bluesky.callbacks.zmq import Proxy

    def leave_with_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    proxy = Proxy(address_in, address_out)
    threading.Thread(target=leave_with_parent, daemon=True).start()
    proxy.start()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m monitor.sources.feeds.proxy IN OUT")
    main(sys.argv[1], sys.argv[2])
