"""History in memory: records of bytes, of which only the newest are at hand.

Hundreds of scans, and the events of days, stay available. Each by itself would keep a piece
of the heap from being given back; together in a page they take a tenth of that.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterator

PER_PAGE = 16
FAST = 1


class Pages:
    """Records by number, from 0 in the order in which they arrived. One thread at a time."""

    def __init__(self, *, compress: bool = True) -> None:
        """`compress`: the older ones; not worth it for numbers of a camera or a fit."""
        self._compress = compress
        self._pages: deque[bytes] = deque()
        self._newest: list[bytes] = []
        self.first = 0

    def __len__(self) -> int:
        """Number of records so far; those before `first` have been dropped."""
        return self.first + PER_PAGE * len(self._pages) + len(self._newest)

    def append(self, record: bytes) -> None:
        """Adds a record."""
        self._newest.append(record)
        if len(self._newest) == 2 * PER_PAGE:
            self._pages.append(self._packed(self._newest[:PER_PAGE]))
            del self._newest[:PER_PAGE]

    def forget_page(self) -> None:
        """Drops the oldest page, if there is one."""
        if self._pages:
            self._pages.popleft()
            self.first += PER_PAGE

    def __getitem__(self, number: int) -> bytes:
        page, place = divmod(self._place(number), PER_PAGE)
        if page < len(self._pages):
            return self._unpacked(self._pages[page])[place]
        return self._newest[self._place(number) - PER_PAGE * len(self._pages)]

    def __setitem__(self, number: int, record: bytes) -> None:
        page, place = divmod(self._place(number), PER_PAGE)
        if page < len(self._pages):
            records = self._unpacked(self._pages[page])
            records[place] = record
            self._pages[page] = self._packed(records)
        else:
            self._newest[self._place(number) - PER_PAGE * len(self._pages)] = record

    def some(self, numbers: list[int]) -> Iterator[bytes]:
        """The records of these numbers, in their order; a page is opened once for neighbours."""
        opened, records = -1, list[bytes]()
        for number in numbers:
            page, place = divmod(self._place(number), PER_PAGE)
            if page >= len(self._pages):
                yield self[number]
                continue
            if page != opened:
                opened, records = page, self._unpacked(self._pages[page])
            yield records[place]

    def _place(self, number: int) -> int:
        if not self.first <= number < len(self):
            raise IndexError(f"record {number} of {self.first} to {len(self) - 1}")
        return number - self.first

    def _packed(self, records: list[bytes]) -> bytes:
        body = struct.pack(f"<{PER_PAGE}I", *map(len, records)) + b"".join(records)
        return zlib.compress(body, FAST) if self._compress else body

    def _unpacked(self, page: bytes) -> list[bytes]:
        body = zlib.decompress(page) if self._compress else page
        records, at = [], 4 * PER_PAGE
        for size in struct.unpack(f"<{PER_PAGE}I", body[:at]):
            records.append(body[at : at + size])
            at += size
        return records
