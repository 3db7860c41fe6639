"""Valid messages → broken ones, by a seeded generator: the same seed, the same messages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import cbor2
import msgpack

Frames = list[bytes]

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 2**31, -(2**31), 2**53, 2**63, 10**30, 10**400, 0.5, -0.0,
    1e-320, 1e300, float("inf"), float("nan"), "", "A", "B", "0", "x" * 300, "x" * 5000, "\x00",
    "\n",
    "\ud800", "A\u200b", "A\u202eB", "\u2028", "\x1b]0;t\x07", "\x9b31m", "\u00a0",
    "<img src='file:///x'>", "[/x]", "=1+1", "$x_", "../../etc/passwd", "tcp://10.9.8.7:5601",
    "ipc:///tmp/x", "__import__('os')", [], {},
    [[]], [0] * 3, [10**12] * 3, [131072] * 3, [1, 2], ["A"], {"a": {}}, [None] * 100, b"\x80\x04.",
)  # fmt: skip
PICKLES = (b"\x80\x04\x95", b"\x80\x05.", b"cos\nsystem\n(S'true'\ntR.")
JUNK = (b"", b"\x00", b"{", b"[", b"}", b"null", b"{}", b"\xff" * 9, b"\xc1", b"[" * 3000, *PICKLES)
DEEP = (40, 300, 1200)
MAP_OF_CBOR = 5
TAGS = (0, 1, 2, 3, 25, 28, 29, 40, 64, 65, 69, 70, 85, 86, 256, 1040, 56500, 2**40)


class Mutator:
    """Breaks messages, a little or thoroughly."""

    def __init__(self, seed: int, corpus: Sequence[Frames]) -> None:
        self._random = random.Random(seed)
        self._corpus = corpus

    def message(self) -> Frames:
        """The next message. One in twenty is whole: what follows broken ones must still be read."""
        frames = list(self._random.choice(self._corpus))
        if self._random.random() < 0.05:
            return frames
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            frames = self._random.choice(WAYS)(self, frames)
        return frames

    # --- frames -----------------------------------------------------------------------------------

    def structure(self, frames: Frames) -> Frames:
        """One value somewhere in the first frame becomes another."""
        return [self._in_payload(frames[0]), *frames[1:]] if frames else frames

    def bits(self, frames: Frames) -> Frames:
        """Some bits of a frame flip."""

        def flip(frame: bytes) -> bytes:
            changed = bytearray(frame)
            for _ in range(self._random.choice((1, 1, 2, 8, 64))):
                if changed:
                    changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
            return bytes(changed)

        return self._one(frames, flip)

    def cut(self, frames: Frames) -> Frames:
        """A frame ends early, or lacks its beginning."""

        def shorten(frame: bytes) -> bytes:
            place = self._random.randrange(len(frame) + 1)
            return frame[:place] if self._random.random() < 0.7 else frame[place:]

        return self._one(frames, shorten)

    def grow(self, frames: Frames) -> Frames:
        """Junk gets into a frame."""

        def insert(frame: bytes) -> bytes:
            place = self._random.randrange(len(frame) + 1)
            junk = self._random.choice((*JUNK, self._random.randbytes(self._random.randrange(64))))
            return frame[:place] + junk + frame[place:]

        return self._one(frames, insert)

    def splice(self, frames: Frames) -> Frames:
        """Half of one message, half of another."""
        other = self._random.choice(self._corpus)
        if self._random.random() < 0.5 or not frames:
            return [*frames[:1], *other[1:]]
        a, b = frames[0], other[0]
        head, tail = self._random.randrange(len(a) + 1), self._random.randrange(len(b) + 1)
        return [a[:head] + b[tail:], *frames[1:]]

    def shuffle(self, frames: Frames) -> Frames:
        """Frames are lost, doubled, swapped, or stand before nothing."""
        changed = list(frames)
        match self._random.randrange(5):
            case 0 if changed:
                changed.pop(self._random.randrange(len(changed)))
            case 1 if changed:
                changed.append(self._random.choice(changed))
            case 2:
                changed.reverse()
            case 3:
                changed.append(self._random.choice(JUNK))
            case 4:
                changed = [self._random.choice(JUNK)]
        return changed

    def deep(self, frames: Frames) -> Frames:
        """A message nested more deeply than anybody would."""
        depth, text = self._random.choice(DEEP), frames[0] if frames else b"{}"
        if text.startswith(b"{"):
            nested = b'{"a":' * depth + b"1" + b"}" * depth
            return [text[:-1] + b',"deep":' + nested + b"}", *frames[1:]]
        return [text + b"\x91" * depth, *frames[1:]]

    def _one(self, frames: Frames, change: Callable[[bytes], bytes]) -> Frames:
        if not frames:
            return frames
        place = self._random.randrange(len(frames))
        return [*frames[:place], change(frames[place]), *frames[place + 1 :]]

    # --- values -----------------------------------------------------------------------------------

    def _in_payload(self, frame: bytes) -> bytes:
        if frame.startswith(b"{"):
            return self._in_json(frame)
        if frame and frame[0] >> 5 == MAP_OF_CBOR:
            return self._in_cbor(frame)
        parts = frame.split(b" ", 2)  # a bluesky document
        if len(parts) < 3:
            return frame
        prefix, name, payload = parts
        if self._random.random() < 0.1:
            name = self._random.choice(
                (b"start", b"stop", b"event", b"event_page", b"\xff", b"begin")
            )
        inner = self._in_json(payload) if payload.startswith(b"{") else self._in_msgpack(payload)
        return b" ".join([prefix, name, inner])

    def _in_json(self, frame: bytes) -> bytes:
        try:
            return json.dumps(self._changed(json.loads(frame)), default=repr).encode()
        except (ValueError, RecursionError):
            return frame

    def _in_cbor(self, frame: bytes) -> bytes:
        try:
            return cbor2.dumps(self._changed(cbor2.loads(frame)), default=_as_text)
        except Exception:  # what is broken already stays so
            return frame

    def _in_msgpack(self, frame: bytes) -> bytes:
        try:
            read = msgpack.unpackb(frame, strict_map_key=False)
            packed: bytes = msgpack.packb(self._changed(read), default=repr)
            return packed
        except Exception:  # what is broken already stays so
            return frame

    def _changed(self, value: Any, level: int = 0) -> Any:
        """The value with one place of it changed."""
        if level < 6 and self._random.random() < 0.85 and isinstance(value, dict) and value:
            key = self._random.choice(list(value))
            way = self._random.random()
            if way < 0.1:
                return {k: v for k, v in value.items() if k != key}
            if way < 0.15:
                return value | {"extra" * self._random.randrange(1, 20): self._strange()}
            return value | {key: self._changed(value[key], level + 1)}
        if level < 6 and self._random.random() < 0.7 and isinstance(value, list | tuple) and value:
            place = self._random.randrange(len(value))
            return [*value[:place], self._changed(value[place], level + 1), *value[place + 1 :]]
        if isinstance(value, cbor2.CBORTag) and self._random.random() < 0.8:
            if self._random.random() < 0.2:
                return cbor2.CBORTag(self._random.choice(TAGS), value.value)
            return cbor2.CBORTag(value.tag, self._changed(value.value, level + 1))
        if isinstance(value, int) and not isinstance(value, bool) and self._random.random() < 0.4:
            return value + self._random.choice((-1, 1, 2, 10, 1000))
        return self._strange()

    def _strange(self) -> Any:
        return self._random.choice(STRANGE)


def _as_text(encoder: Any, value: Any) -> None:
    encoder.encode(repr(value))


WAYS: tuple[Callable[[Mutator, Frames], Frames], ...] = (
    Mutator.structure, Mutator.structure, Mutator.structure, Mutator.structure, Mutator.bits,
    Mutator.cut, Mutator.grow, Mutator.splice, Mutator.shuffle, Mutator.deep,
)  # fmt: skip
