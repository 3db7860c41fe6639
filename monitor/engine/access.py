"""Who may connect to the engine, and what the engine connects to: the only place that decides it.

An address of this machine needs nothing. Any other needs CURVE: who connects to the engine must
have a key that the settings list, and what the engine connects to must have the key that they name.
ZeroMQ asks this module about each connecting client (ZAP, https://rfc.zeromq.org/spec/27); a client
whose key is not listed is refused before its first message.
"""

from __future__ import annotations

import contextlib
import socket as plain_socket
import threading
import time
from typing import Literal

import zmq
from zmq.utils import z85

from monitor.bounded import Bounded
from monitor.errors import SettingError
from monitor.settings import SecuritySettings
from monitor.sockets.keys import ClientKeys, KeyPair, is_local, random_pair, read_pair, read_public
from monitor.wire.results.state import RefusedClient, Role, Security

Door = Literal["screens", "producers"]

ZAP_ADDRESS = "inproc://zeromq.zap.01"
ZAP_FRAMES = 7
REFUSED_REMEMBERED = 10
LISTS: dict[Door, str] = {
    "screens": "security.operators or viewers",
    "producers": "security.producers",
}


class Gate:
    """Keys and roles of one engine. All methods may be called from any thread."""

    def __init__(self, security: SecuritySettings) -> None:
        """Raises SettingError for a key that cannot be read, or is listed twice."""
        self._plain = frozenset(security.plain)
        self._lock = threading.Lock()
        self._porters: dict[zmq.Context[zmq.Socket[bytes]], _Porter] = {}
        self._refused: Bounded[tuple[str, str], RefusedClient] = Bounded(REFUSED_REMEMBERED)
        self._refused_keys = self._refused_orders = 0
        self._own: KeyPair | None = None
        if security.secret_key:
            self._own = read_pair(security.secret_key, "security.secret_key")
        self._servers = {
            address: read_public(key, "security.server_keys")
            for address, key in security.server_keys.items()
        }
        self._roles: dict[bytes, Role] = {}
        self._list(security.operators, "operator", "security.operators")
        self._list(security.viewers, "viewer", "security.viewers")
        self._producers = {read_public(key, "security.producers") for key in security.producers}
        self._listed: dict[Door, bool] = {
            "screens": bool(self._roles),
            "producers": bool(self._producers),
        }
        if self._own is not None:  # who has the engine's secret key can do anything anyhow
            self._roles[self._own.public] = "operator"
            self._producers.add(self._own.public)

    def _list(self, keys: tuple[str, ...], role: Role, setting: str) -> None:
        for given in keys:
            key = read_public(given, setting)
            if key in self._roles:
                raise SettingError(
                    setting,
                    got=given,
                    expected="each key once, among operators or among viewers",
                    todo="remove it from one of the lists",
                )
            self._roles[key] = role

    # --- sockets ----------------------------------------------------------------------------------

    def guard(self, socket: zmq.Socket[bytes], door: Door, setting: str, address: str) -> bool:
        """Call before `bind`. True if clients must have a key that is listed for this door;
        then call `leave` before the context ends. Raises SettingError for an address that others
        can reach, if none is listed."""
        if not self._listed[door]:
            if not is_local(address) and "://" in address:
                raise SettingError(
                    setting,
                    got=address,
                    expected="an address of this machine, such as tcp://127.0.0.1:5611, or keys: "
                    f"security.secret_key and {LISTS[door]}",
                    todo="make keys with `pitwatch keys` (docs/how-to/remote.md), or use an ssh "
                    "tunnel",
                )
            return False
        if self._own is None:  # the settings see to that
            raise RuntimeError("keys are listed, but the engine has no key of its own")
        context = socket.context
        with self._lock:
            if context not in self._porters:
                self._porters[context] = _Porter(context, self)
        socket.curve_server = True
        socket.curve_secretkey = self._own.secret
        socket.setsockopt_string(zmq.ZAP_DOMAIN, door)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an answer nobody gets in
        return True

    def reach(self, socket: zmq.Socket[bytes], setting: str, address: str) -> None:
        """Call before `connect`. Raises SettingError for an address on another machine if the
        settings neither name its key nor state that it has none."""
        key = self._servers.get(address)
        if key is not None:
            ClientKeys(self._own or random_pair(), key).guard(socket)
            return
        socket.curve_server = False  # takes back what an address before this one needed
        if not is_local(address) and address not in self._plain and "://" in address:
            raise SettingError(
                setting,
                got=address,
                expected="an address of this machine; or its key, in security.server_keys",
                todo="enter its key there; if it has none and its network can be trusted, list "
                "the address in security.plain",
            )

    def leave(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Call before the sockets of this context are closed: no further client is admitted."""
        with self._lock:
            porter = self._porters.pop(context, None)
        if porter is not None:
            porter.close()

    # --- roles ------------------------------------------------------------------------------------

    def role(self, frame: zmq.Frame) -> Role:
        """What the sender of a frame may do, by the key of its connection."""
        return self._roles.get(self.key(frame), "")

    @staticmethod
    def key(frame: zmq.Frame) -> bytes:
        """The key of the connection that a frame arrived on; b"" if it needed none."""
        try:
            return str(frame.get("User-Id")).encode()
        except zmq.ZMQError:
            return b""

    def admits(self, door: bytes, key: bytes) -> bool:
        """Whether a client with this key may connect."""
        if door == b"screens":
            return key in self._roles
        return door == b"producers" and key in self._producers

    # --- what was refused -------------------------------------------------------------------------

    def refused_order(self) -> None:
        """Counts an order that a viewer sent."""
        with self._lock:
            self._refused_orders += 1

    def refused_key(self, address: str, key: str, door: str) -> None:
        """Counts and remembers a client whose key is not listed."""
        with self._lock:
            self._refused_keys += 1
            name = (address, key)
            known = self._refused.pop(name, None)
            self._refused[name] = {
                "time": time.time(),
                "address": address,
                "key": key,
                "door": door,
                "count": 1 if known is None else known["count"] + 1,
            }

    @property
    def status(self) -> Security:
        """Clients and orders that were refused, and the last ones, JSON-ready."""
        with self._lock:
            return {
                "refused_keys": self._refused_keys,
                "refused_orders": self._refused_orders,
                "last_refused": list(self._refused.values()),
            }


class _Porter:
    """Answers ZAP's questions in one context, in a thread of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], gate: Gate) -> None:
        self._gate = gate
        self._zap = context.socket(zmq.REP)
        self._zap.linger = 0
        self._zap.bind(ZAP_ADDRESS)
        self._stop, self._stopped = plain_socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.close()
        self._thread.join(timeout=10)
        self._stopped.close()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._zap, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        try:
            while self._stopped.fileno() not in dict(poller.poll()):
                with contextlib.suppress(zmq.Again):
                    self._zap.send_multipart(self._answer(self._zap.recv_multipart(zmq.DONTWAIT)))
        finally:
            self._zap.close()

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        """Version, request, status code, text, user id, metadata. The user id is the key."""
        if len(frames) != ZAP_FRAMES or frames[5] != b"CURVE" or len(frames[6]) != 32:
            return [b"1.0", b"".join(frames[1:2]), b"400", b"CURVE keys are needed", b"", b""]
        _version, request, door, address, _identity, _mechanism, raw = frames
        key = z85.encode(raw)
        if self._gate.admits(door, key):
            return [b"1.0", request, b"200", b"", key, b""]
        self._gate.refused_key(
            address.decode("ascii", "replace"), key.decode(), door.decode("ascii", "replace")
        )
        return [b"1.0", request, b"400", b"this key is not listed", b"", b""]
