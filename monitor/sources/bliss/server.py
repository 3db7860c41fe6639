"""The Redis in which BLISS publishes its scans, as it is read: history, scans, states, points.

What is where in it is that of blissdata's protocol 1, which the database itself states.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitor.errors import PitwatchError, SettingError, SourceError

PROTOCOL_KEY, PROTOCOL = "_PROTOCOL_VERSION_", "1"
HISTORY = "_SCAN_HISTORY_"
MODULES = ("ReJSON", "search")
PATIENCE_S = 5.0
HISTORY_STEP = 100
BEGIN = "0-0"

Entry = tuple[str, Mapping[str, bytes]]
"""Of a stream: its id, and its fields."""


class RedisLost(PitwatchError):
    """Redis cannot be reached now."""


class DataServer:
    """A connection to the Redis at `url`. Every question raises RedisLost if it is not answered,
    SourceError if it is refused."""

    def __init__(self, url: str) -> None:
        """Connects with the first question. Raises SettingError if no Redis has such a URL."""
        try:
            where = urlsplit(url)
            self.name = f"{where.hostname}:{where.port or 6379}" if where.hostname else where.path
            connect: Any = redis.Redis.from_url
            self._redis = connect(
                url,
                protocol=2,
                socket_timeout=PATIENCE_S,
                socket_connect_timeout=PATIENCE_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            raise SettingError(
                "--redis",
                got=url.rpartition("@")[2],
                expected="redis://host:port",
                todo="give the address of BLISS's Redis for scans",
            ) from None

    def check(self) -> None:
        """Raises SourceError for a Redis without scans of BLISS that can be read."""
        with self._asked():
            found = self._redis.get(PROTOCOL_KEY)
        if found is None:
            raise SourceError(self._why_none())
        if (version := found.decode(errors="replace")) != PROTOCOL:
            raise SourceError(
                f"the Redis at {self.name} holds scans in version {version[:20]} of blissdata's "
                f"protocol, expected {PROTOCOL}; install a pitwatch that reads it"
            )

    def _why_none(self) -> str:
        with suppress(SourceError), self._asked():
            names = {_module_name(module) for module in self._redis.module_list()}
            if missing := [name for name in MODULES if name not in names]:
                return (
                    f"the Redis at {self.name} lacks the module {' and '.join(missing)}: BLISS "
                    "does not publish scans in it (it has another Redis for its settings); give "
                    "the address of the one for scans, usually port 25002"
                )
        return (
            f"the Redis at {self.name} has not been set up by BLISS (no {PROTOCOL_KEY}); start "
            "BLISS's servers, or correct --redis"
        )

    def history(self, since: str) -> Iterator[tuple[str, str]]:
        """The scans that were created after the entry `since`: entry and key of each, oldest
        first."""
        while True:
            entries = self.entries({HISTORY: since}, HISTORY_STEP).get(HISTORY, ())
            for since, fields in entries:
                yield since, fields.get("key", b"").decode(errors="replace")
            if len(entries) < HISTORY_STEP:
                return

    def document(self, key: str) -> Any:
        """What is stored of a scan; None if it was deleted."""
        with self._asked():
            text = self._redis.execute_command("JSON.GET", key, ".")
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            raise SourceError(f"the Redis at {self.name}: {key[:80]} is not JSON") from None

    def newest(self, stream: str) -> Entry | None:
        """The last entry of a stream."""
        with self._asked():
            found = self._redis.xrevrange(stream, count=1)
        return _entry(found[0]) if found else None

    def entries(self, after: Mapping[str, str], count: int) -> dict[str, list[Entry]]:
        """At most `count` entries of each stream after the one named; none of a stream that does
        not exist."""
        if not after:
            return {}
        with self._asked():
            found = self._redis.xread(dict(after), count=count)
        return {
            name.decode(errors="replace"): [_entry(one) for one in entries]
            for name, entries in found or ()
        }

    def close(self) -> None:
        with suppress(redis.RedisError, OSError):
            self._redis.close()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise SourceError(
                f"the Redis at {self.name} refuses access ({_line(error)}); give user and password "
                "in --redis"
            ) from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise RedisLost(
                f"no Redis answers at {self.name} ({_line(error)}); start BLISS's servers, or "
                "correct --redis"
            ) from None
        except redis.RedisError as error:
            raise SourceError(f"the Redis at {self.name} refuses ({_line(error)})") from None


def _entry(raw: Any) -> Entry:
    identity, fields = raw
    named = {name.decode(errors="replace"): value for name, value in (fields or {}).items()}
    return identity.decode(errors="replace"), named


def _module_name(module: Any) -> str:
    """As Redis names it, in text or bytes."""
    name = module.get(b"name", module.get("name", b""))
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
