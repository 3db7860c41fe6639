"""CURVE keys in files: made, read and given to sockets.

The files are those of ZeroMQ's own tools (`zmq.auth`): `NAME.key` with the public key, for the
others, and `NAME.key_secret` with both, which its owner alone may read.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.auth
from zmq.utils import z85

from monitor.errors import PitwatchError, SettingError
from monitor.settings import SecuritySettings

PUBLIC, SECRET = ".key", ".key_secret"
KEY_CHARACTERS = 40
MAX_FILE_BYTES = 2**16
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5}|\*)")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and the secret one that belongs to it, as 40 characters each."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a client needs: its own pair, and the key that the other end must prove to have."""

    own: KeyPair
    server: bytes

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """What this socket connects to from now on must have the key. Call before `connect`."""
        socket.curve_serverkey = self.server
        socket.curve_publickey = self.own.public
        socket.curve_secretkey = self.own.secret


def is_local(address: str) -> bool:
    """Whether an address is of this machine alone: loopback, or no network at all."""
    if address.startswith(("ipc://", "inproc://")):
        return True
    match = TCP.fullmatch(address)
    if match is None:
        return False
    host = match[1].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_local(address: str, what: str) -> None:
    """Raises SettingError for an address, with or without tcp://, that others can reach: for those
    who listen without asking for keys."""
    if not is_local(address if "://" in address else f"tcp://{address}"):
        raise SettingError(
            what,
            got=address,
            expected="an address of this machine, such as tcp://127.0.0.1:5601: without keys, "
            "anybody could connect",
            todo="listen on this machine, and let others in through an ssh tunnel",
        )


def bind_here(socket: zmq.Socket[bytes], address: str, what: str) -> None:
    """Binds a socket to an address of this machine alone. If that cannot be had, or others could
    reach it, the socket is closed: raises SettingError."""
    try:
        check_local(address, what)
        socket.bind(address)
    except SettingError:
        socket.close(0)
        raise
    except zmq.ZMQError as error:
        socket.close(0)
        raise SettingError(
            what,
            got=address,
            expected="a free address of this machine, such as tcp://127.0.0.1:5601",
            todo=f"stop the program that uses it, or choose another port ({error.strerror})",
        ) from None


def check_address(address: str, what: str) -> None:
    """Raises SettingError for what no socket can connect to, whether or not anybody listens."""
    if not is_address(address):
        raise SettingError(
            what,
            got=address,
            expected="an address such as tcp://127.0.0.1:5611",
            todo="correct it",
        )


def is_address(address: str) -> bool:
    """Whether a socket can connect to this: tcp:// with host and port, or ipc:// with a path."""
    if not address.startswith(("tcp://", "ipc://")) or address == "ipc://":
        return False
    port = address.rpartition(":")[2]
    if address.startswith("tcp://") and not (port.isdigit() and 0 < int(port[:6]) < 2**16):
        return False  # ZeroMQ takes ports that there are not
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        try:
            socket.connect(address)
        except (zmq.ZMQError, ValueError):
            return False
        return True


def reachable(address: str) -> str:
    """Where this machine connects to for what it has bound to this address itself: of an address
    that stands for all of its own, the loopback one."""
    return re.sub(r"^tcp://(\*|0\.0\.0\.0|\[::\]):", "tcp://127.0.0.1:", address)


def engine_s_own(security: SecuritySettings) -> ClientKeys | None:
    """For a screen beside the engine, who may read its secret key; None if no keys are needed.
    Raises SettingError."""
    if not (security.operators or security.viewers):
        return None
    pair = read_pair(security.secret_key, "security.secret_key")
    return ClientKeys(pair, pair.public)


def client_keys(own: str | None, server: str | None, addresses: Sequence[str]) -> ClientKeys | None:
    """What `--key` and `--server-key` give a screen; None if both are left out. Raises
    SettingError, also for an address of another machine without them."""
    if own is None and server is None:
        away = next((address for address in addresses if not is_local(address)), None)
        if away is not None and "://" in away:
            raise SettingError(
                "--connect",
                got=away,
                expected="an address of this machine; or --key and --server-key as well",
                todo="see docs/how-to/remote.md, or reach the engine through an ssh tunnel",
            )
        return None
    if own is None or server is None:
        raise SettingError(
            "--key" if own is None else "--server-key",
            got=None,
            expected="both --key and --server-key, or neither",
            todo="give the other one too",
        )
    return ClientKeys(read_pair(own, "--key"), read_public(server, "--server-key"))


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Makes a pair; returns the files of the public key and of the secret one.

    Raises PitwatchError if there is one of this name already: what was given to others would
    be worth nothing.
    """
    if not NAME.fullmatch(name):
        raise SettingError(
            "--name", got=name, expected="letters, digits, . _ -", todo="choose another name"
        )
    public, secret = folder / (name + PUBLIC), folder / (name + SECRET)
    pair = random_pair()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = next((file for file in (secret, public) if file.exists()), None)
        if there is not None:
            raise PitwatchError(
                f"{there}: exists already, and is not overwritten; choose another --name, or "
                "remove both files of this one"
            )
        _write(secret, 0o600, "Secret key: whoever has this file can act as its owner.",
               pair.public, pair.secret)  # fmt: skip
        _write(
            public, 0o644, "Public key: give it to those who are to accept its owner.", pair.public
        )
    except OSError as error:
        raise PitwatchError(
            f"{folder}: no keys can be written there ({error.strerror}); choose another folder"
        ) from None
    return public, secret


def random_pair() -> KeyPair:
    """A pair that nobody has."""
    return KeyPair(*zmq.curve_keypair())


def _write(path: Path, mode: int, remark: str, public: bytes, secret: bytes = b"") -> None:
    text = f'# {remark}\n\nmetadata\ncurve\n    public-key = "{public.decode()}"\n'
    if secret:
        text += f'    secret-key = "{secret.decode()}"\n'
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(file, "w", encoding="ascii") as opened:
        opened.write(text)


def read_pair(path: str, setting: str) -> KeyPair:
    """The pair in a file of a secret key. Raises SettingError, which names the setting: also where
    others may read the file."""
    file = Path(path).expanduser()
    public, secret = _read(file, setting)
    if secret is None or not _is_key(secret):
        raise SettingError(
            setting,
            got=path,
            expected=f"a file with a secret key, NAME{SECRET}",
            todo="make one with `pitwatch keys`",
        )
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise SettingError(
            setting,
            got=path,
            expected="a secret key that its owner alone can read",
            todo=f"`chmod 600 {path}`, and make new keys if anybody may have read it",
        )
    if zmq.curve_public(secret) != public:
        raise SettingError(
            setting,
            got=path,
            expected="two keys that belong together",
            todo="copy the file again, or make new keys with `pitwatch keys`",
        )
    return KeyPair(public, secret)


def read_public(given: str, setting: str) -> bytes:
    """A public key, given as its 40 characters or as a file that holds it. Raises SettingError."""
    file = Path(given).expanduser()
    if len(given) == KEY_CHARACTERS and _is_key(given.encode()) and not file.exists():
        return given.encode()
    return _read(file, setting)[0]


def _read(file: Path, setting: str) -> tuple[bytes, bytes | None]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ValueError("it is too long for a key")
        public, secret = zmq.auth.load_certificate(file)
        if not _is_key(public):
            raise ValueError(f"its public key is not {KEY_CHARACTERS} characters of Z85")
    except (OSError, ValueError, IndexError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SettingError(
            setting,
            got=str(file),
            expected=f"a key of {KEY_CHARACTERS} characters, or a file NAME{PUBLIC} ({why})",
            todo="copy the file again, or make keys with `pitwatch keys`",
        ) from None
    return public, secret


def _is_key(text: bytes) -> bool:
    try:
        return len(text) == KEY_CHARACTERS and len(z85.decode(text)) == 32
    except (KeyError, ValueError, ArithmeticError, LookupError):
        return False
