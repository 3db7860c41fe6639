"""The control socket of a bluesky-queueserver RE manager: one question at a time, without blocking.

The manager's REP socket takes JSON {"method", "params"}. This end is a DEALER, because a REQ is
unusable once an answer was lost. A tag before the empty frame is returned with the answer, and the
questions of one connection are answered in order: the question after a lost `item_add` shows
whether that was carried out.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from monitor.errors import BadMessage, SettingError
from monitor.records import ConnectionChange
from monitor.sockets.connection import Connection
from monitor.sockets.keys import ClientKeys, is_local, random_pair

ANSWER_S = 5.0
ANSWERS_AT_ONCE = 100
KEY_CHARACTERS = 40
MAX_ANSWER_BYTES = 2**26
MOST_WAITING = 4


class NoAnswer(Exception):
    """There is no connection, it was interrupted, or no answer has arrived within ANSWER_S
    seconds."""


class ManagerSocket:
    """Sends questions and returns each answer once it has arrived."""

    def __init__(self, address: str, public_key: str, clock: Callable[[], float]) -> None:
        """Raises SettingError if the address or the key is not valid."""
        self._clock = clock
        self._tag = 0
        self._asked_at = 0.0
        socket = _socket(address, public_key)
        self._socket: zmq.Socket[bytes] | None = socket
        try:
            self._connection = Connection(socket, "requests.control", address, heartbeats=True)
        except zmq.ZMQError as error:
            socket.close(0)
            raise SettingError(
                "requests.control",
                got=address,
                expected="an address such as tcp://127.0.0.1:60615",
                todo=f"correct the setting ({error.strerror})",
            ) from None

    def ask(self, method: str, params: Mapping[str, Any]) -> None:
        """Sends a question. Raises NoAnswer if there is no connection, or if it was interrupted
        since the last question: the manager may have been restarted."""
        self._tag += 1
        self._asked_at = self._clock()
        question = json.dumps({"method": method, "params": dict(params)}).encode()
        if self._socket is None or self._connection.was_cut():
            raise NoAnswer
        try:
            self._socket.send_multipart([b"%d" % self._tag, b"", question], zmq.DONTWAIT)
        except zmq.Again:
            raise NoAnswer from None

    def answer(self) -> dict[str, Any] | None:
        """The answer to the last question; None while it may still arrive.

        Raises NoAnswer once it is late, BadMessage if it is not what a manager says.
        """
        for _ in range(ANSWERS_AT_ONCE if self._socket is not None else 0):
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)  # type: ignore[union-attr]
            except zmq.Again:
                break
            if frames[0] == b"%d" % self._tag:
                return _decoded(frames[-1])
        if self._connection.was_cut() or self._clock() - self._asked_at > ANSWER_S:
            raise NoAnswer
        return None

    def close(self) -> None:
        """A second call does nothing."""
        if self._socket is not None:
            self._connection.close()
            self._socket = None

    def changes(self) -> list[ConnectionChange]:
        """Changes of the connection, which is checked by this call."""
        return [] if self._socket is None else self._connection.look()


def _decoded(frame: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        answer = json.loads(frame)
        if isinstance(answer, dict):
            return answer
    raise BadMessage(
        "queueserver_answer",
        f"requests: requests.control answered {len(frame)} bytes, expected a JSON object; make "
        "sure "
        "that an RE manager runs there, started with --zmq-encoding=json",
    )


def _socket(address: str, public_key: str) -> zmq.Socket[bytes]:
    if not is_local(address) and not public_key:
        raise SettingError(
            "requests.control",
            got=address,
            expected="an address of this machine, or requests.public_key as well",
            todo="set the manager's public key, or reach it through an ssh tunnel",
        )
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.maxmsgsize = MAX_ANSWER_BYTES
    socket.rcvhwm = MOST_WAITING
    socket.immediate = True  # a manager that comes back must not find a heap of old questions
    if public_key:
        _encrypt(socket, public_key)
    return socket


def _encrypt(socket: zmq.Socket[bytes], public_key: str) -> None:
    """The manager proves itself by its key; it lets in whoever knows it, under any key."""
    try:
        ClientKeys(random_pair(), public_key.encode("ascii")).guard(socket)
    except (zmq.ZMQError, UnicodeEncodeError):
        socket.close(0)
        raise SettingError(
            "requests.public_key",
            got=public_key,
            expected=f"the manager's public key, {KEY_CHARACTERS} characters",
            todo="copy it from `qserver-zmq-keys`",
        ) from None
