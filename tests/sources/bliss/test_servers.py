"""Redis and Beacon of BLISS: the right ones, and what is said of the wrong ones. Beacon is a
stand-in that blissdata's own client understands."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("fakeredis")
pytest.importorskip("blissdata")

from blissdata.beacon.data import BeaconData

from monitor.cli import shared
from monitor.errors import MissingSoftware, SettingError, SourceError
from monitor.processes import free_addresses
from monitor.sources.bliss import SOFTWARE
from monitor.sources.bliss.beacon import redis_of
from monitor.sources.bliss.server import DataServer, RedisLost
from tests.helpers.bliss_redis import bliss_redis
from tests.helpers.bliss_scans import BlissScans


def checked(url: str) -> None:
    server = DataServer(url)
    try:
        server.check()
    finally:
        server.close()


def test_no_redis_at_the_address() -> None:
    address = free_addresses(1)[0].replace("tcp", "redis")
    with pytest.raises(RedisLost, match=r"no Redis answers at 127\.0\.0\.1:\d+ \(.+\); start"):
        checked(address)


def test_a_redis_without_the_modules() -> None:
    with bliss_redis() as redis:
        redis.relay.modules = ("bf",)
        with pytest.raises(
            SourceError,
            match="lacks the module ReJSON and search: BLISS does not publish scans in it",
        ):
            checked(redis.url)
        redis.relay.modules = ("ReJSON",)
        with pytest.raises(SourceError, match="lacks the module search:"):
            checked(redis.url)


def test_a_redis_that_bliss_has_not_set_up() -> None:
    with bliss_redis() as redis, pytest.raises(SourceError, match="has not been set up by BLISS"):
        checked(redis.url)


def test_a_redis_of_another_protocol() -> None:
    with bliss_redis() as redis:
        store = BlissScans(redis.for_bliss).store
        checked(redis.url)
        store._redis.set("_PROTOCOL_VERSION_", 2)
        with pytest.raises(SourceError, match="version 2 of blissdata's protocol, expected 1"):
            checked(redis.url)


def test_nothing_is_asked_of_the_search_module() -> None:
    with bliss_redis() as redis:
        BlissScans(redis.for_bliss).scan({"timer:epoch": "s"}).end()
        redis.relay.asked.clear()
        server = DataServer(redis.url)
        server.check()
        ((_, key),) = server.history("0-0")
        assert server.document(key)["id"]["number"] == 1
        server.close()
        assert not [word for word in redis.relay.asked if word.startswith(b"FT.")]


@pytest.mark.parametrize("url", ["http://here:25002", "redis://here:port", "here:25002"])
def test_what_is_no_address_of_a_redis(url: str) -> None:
    with pytest.raises(SettingError, match=r"--redis: got .* expected redis://host:port"):
        DataServer(url)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SettingError) as found:
        DataServer("http://user:secret@here:25002")
    assert "secret" not in str(found.value)
    with pytest.raises(RedisLost) as lost:
        checked(free_addresses(1)[0].replace("tcp://", "redis://:secret@"))
    assert "secret" not in str(lost.value)


HEADER = struct.Struct("<ii")


class _Beacon(socketserver.BaseRequestHandler):
    """Answers one question with the type and text of the server's `reply`."""

    def handle(self) -> None:
        kind, size = HEADER.unpack(self.request.recv(HEADER.size))
        question = self.request.recv(size)
        kind, text = self.server.reply  # type: ignore[attr-defined]
        answer = question.partition(b"|")[0] + b"|" + text
        self.request.sendall(HEADER.pack(kind, len(answer)) + answer)


@contextmanager
def beacon(kind: int, text: bytes) -> Iterator[str]:
    with socketserver.TCPServer(("127.0.0.1", 0), _Beacon) as server:
        server.reply = (kind, text)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (b"id15a|25002", "redis://id15a:25002"),
        (b"id15a|/tmp/redis_data.sock", "unix:///tmp/redis_data.sock"),
    ],
)
def test_beacon_names_the_redis_as_its_own_client_understands_it(text: bytes, url: str) -> None:
    with beacon(34, text) as address:
        assert redis_of(address) == url
        host, port = address.split(":")
        client = BeaconData(host, int(port))
        assert client.get_redis_data_db() == url
        client.close()


def test_a_beacon_without_a_redis_for_scans() -> None:
    with (
        beacon(33, b"Redis Data server is not started") as address,
        pytest.raises(
            SourceError, match=r"has no Redis for scans .Redis Data server is not started"
        ),
    ):
        redis_of(address)


def test_what_is_no_beacon() -> None:
    with beacon(1195725856, b"HTTP") as address, pytest.raises(SourceError, match="not a Beacon"):
        redis_of(address)
    with pytest.raises(SourceError, match=r"no Beacon answers at 127.0.0.1:\d+ \("):
        redis_of(free_addresses(1)[0].removeprefix("tcp://"))
    for wrong in ("", "id15a", "id15a:port", "id15a:0"):
        with pytest.raises(SettingError, match="--beacon: got"):
            redis_of(wrong)


def test_a_missing_client_of_redis_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "find_spec", lambda name: None)
    with pytest.raises(MissingSoftware) as found:
        shared.check_installed(SOFTWARE)
    assert str(found.value) == (
        'scans of BLISS (`publish-bliss`) need redis, which is not installed: run "pip install '
        "'pitwatch[bliss]'\""
    )
