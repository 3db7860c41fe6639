"""A dictionary that does not grow forever."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(OrderedDict[K, V]):
    """Keeps the newest `limit` items: one that is added beyond pushes the oldest out, in O(1)."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self.limit:
            self.popitem(last=False)

    def renew(self, key: K, value: V) -> None:
        """As the newest, also if it is there already."""
        self.pop(key, None)
        self[key] = value
