"""CRC-32 (as of zlib and gzip) of what is recorded, so that damage on the disk is found (`verify`).

HDF5 itself guards only its own structure. So each scan's file keeps a number for every slice, each
map, and each group of small things; each line of the journal and of the events, and the settings,
end with one. ISA-L's function gives the same numbers as zlib's in a tenth of the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

NAME = "crc32"
SEALED_GROUPS = ("entry/ledger", "entry/pits", "entry/summary")
_LINE_TAIL = re.compile(rb',"crc32":"([0-9a-f]{8})"}\n\Z')
_SETTINGS_TAIL = re.compile(rb"# crc32 ([0-9a-f]{8}) of all bytes before this line\n\Z")


def of_array(values: NDArray[Any]) -> int:
    """Of the bytes of an array, in C order."""
    return crc32(np.ascontiguousarray(values).data.cast("B") if values.size else b"")


def of_attributes(attributes: Mapping[str, object]) -> int:
    """Of a group's attributes but the checksum, as JSON with sorted keys and without spaces."""
    plain = {key: _plain(value) for key, value in attributes.items() if key != NAME}
    return crc32(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())


def of_group(group: h5py.Group) -> int:
    """Of name, type and bytes of every dataset in a group, in the order of their names."""
    crc = 0
    for name in sorted(group):
        values = np.asarray(group[name][()])
        crc = crc32(f"{name} {values.dtype.str} {values.shape}".encode(), crc)
        crc = crc32(np.ascontiguousarray(values).tobytes(), crc)
    return crc


def lay_out(file: h5py.File) -> None:
    """The attribute, 0 as long as a scan runs, where `seal_groups` and the maps will need it."""
    entry = file["entry"]
    for group in (*(file[path] for path in SEALED_GROUPS), entry):
        group.attrs[NAME] = np.uint32(0)
    entry.attrs[NAME] = np.uint32(of_attributes(dict(entry.attrs)))


def seal(item: h5py.Dataset | h5py.Group, crc: int) -> None:
    """Sets the attribute of a map or group; it is there already, as SWMR wants it."""
    if NAME in item.attrs:  # not in a file that an older version began
        item.attrs.modify(NAME, np.uint32(crc))


def seal_groups(file: h5py.File) -> None:
    """Ledger, pits and summary are written: their checksums."""
    for path in SEALED_GROUPS:
        seal(file[path], of_group(file[path]))


def sealed(item: h5py.Dataset | h5py.Group) -> int | None:
    """The checksum that was recorded; None in files of older versions. Raises ValueError if it
    is not a number."""
    found = item.attrs.get(NAME)
    return None if found is None else int(found)


def with_crc(line: bytes) -> bytes:
    """A JSON object without line end → the line, with the checksum of all bytes before it as its
    last key."""
    body = line[:-1]
    comma = b"" if body == b"{" else b","
    return b'%b%b"crc32":"%08x"}\n' % (body, comma, crc32(body))


def line_is_sound(line: bytes) -> bool | None:
    """Whether a line is as it was written; None if it has no checksum."""
    return _is_sound(line, _LINE_TAIL)


def with_settings_crc(text: bytes) -> bytes:
    """The text of the settings, with the checksum in a last comment."""
    return b"%b# crc32 %08x of all bytes before this line\n" % (text, crc32(text))


def settings_are_sound(text: bytes) -> bool | None:
    """Whether the settings are as they were written; None if they have no checksum."""
    return _is_sound(text, _SETTINGS_TAIL)


def _is_sound(text: bytes, tail: re.Pattern[bytes]) -> bool | None:
    found = tail.search(text, max(0, len(text) - 80))
    return None if found is None else crc32(text[: found.start()]) == int(found[1], 16)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
