"""Asks Beacon, the configuration server of BLISS, for the Redis that scans are published in."""

from __future__ import annotations

import socket
import struct

from monitor.errors import SettingError, SourceError

HEADER = struct.Struct("<ii")
"""Type of a message, and bytes of its text."""
ASK, FAILED, ANSWER = 32, 33, 34
KEY = b"pitwatch"
MAX_BYTES = 2**16
PATIENCE_S = 5.0


def redis_of(beacon: str) -> str:
    """URL of the Redis of the Beacon at `beacon`, host:port. Raises SettingError if it is not
    such an address; SourceError if no Beacon answers there, or it has none."""
    host, _, port = beacon.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise SettingError(
            "--beacon",
            got=beacon,
            expected="host:port, such as id15a:25000",
            todo="set BEACON_HOST as for the BLISS session, or give --beacon or --redis",
        )
    try:
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            question = KEY + b"|"
            connection.sendall(HEADER.pack(ASK, len(question)) + question)
            kind, size = HEADER.unpack(_read(connection, HEADER.size))
            if kind not in (ANSWER, FAILED) or not 0 < size < MAX_BYTES:
                raise ValueError
            told = _read(connection, size).decode().split("|")
    except OSError as error:
        raise SourceError(
            f"no Beacon answers at {beacon} ({error.strerror or error}); start BLISS's servers, or "
            "correct --beacon"
        ) from None
    except ValueError:
        raise SourceError(
            f"what answers at {beacon} is not a Beacon; give the address in BEACON_HOST of the "
            "BLISS session"
        ) from None
    if kind == FAILED or len(told) < 3:
        raise SourceError(
            f"the Beacon at {beacon} has no Redis for scans ({' '.join(told[1:])[:200]}); give its "
            "address with --redis"
        )
    at, where = told[1:3]
    return f"redis://{at}:{where}" if where.isdecimal() else f"unix://{where}"


def _read(connection: socket.socket, size: int) -> bytes:
    """So many bytes. Raises ValueError if the connection ends before."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ValueError
        data += part
    return data
