"""What travels on the slice stream, and what asks for missing slices again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Reason = Literal["reference", "periodic", "extra", "manual"]
LengthUnit = Literal["µm", "voxel"]
PLANNED: tuple[Reason, ...] = ("reference", "periodic")
"""Why scans on schedule are made."""
SAME_START_S = 1.0
"""Headers of one scan may differ by so much in `start_time`: producers round it."""
SAME_VOXEL = 1e-6


@dataclass(frozen=True, slots=True, order=True)
class ScanKey:
    """Names one scan of one cell in one run of the acquisition."""

    cell: str
    run: str
    scan: int


@dataclass(frozen=True, slots=True)
class ScanStart:
    """`header` of the slice stream. `voxel_size_um` is (z, y, x), or None if it is unknown;
    `remark` says what was wrong in the header and has been put right, `time_remark` the same of its
    times; `recovered`: it came by the resend service, asked for; `sent`: the scan's number as the
    producer sent it, if another scan had that number already and `key` has a free one; otherwise
    None."""

    key: ScanKey
    stream: str
    msg_number: int
    reason: Reason
    request: str
    axis: Literal["z", "y"]
    volume_shape: tuple[int, int, int]
    dtype: str
    voxel_size_um: tuple[float, float, float] | None
    start_time: float
    stop_time: float
    resend: str = ""
    remark: str = ""
    time_remark: str = ""
    recovered: bool = field(default=False, compare=False)
    sent: int | None = None

    @property
    def number(self) -> int:
        """The scan's number as the producer sent it, which its slices bear."""
        return self.key.scan if self.sent is None else self.sent

    def numbered(self, scan: int) -> ScanStart:
        """The same header, with the scan known under this number."""
        sent = None if scan == self.number else self.number
        return replace(self, key=replace(self.key, scan=scan), sent=sent)

    @property
    def slice_count(self) -> int:
        """Number of slices along `axis`."""
        nz, ny, _ = self.volume_shape
        return nz if self.axis == "z" else ny

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Shape of one slice: (ny, nx) for axis z, (nz, nx) for axis y."""
        nz, ny, nx = self.volume_shape
        return (ny, nx) if self.axis == "z" else (nz, nx)

    @property
    def slice_bytes(self) -> int:
        """Memory that the pixels of one slice take."""
        return math.prod(self.slice_shape) * np.dtype(self.dtype).itemsize

    def is_like(self, other: ScanStart) -> bool:
        """Whether slices of the two make up one volume."""
        mine, others = ((start.volume_shape, start.dtype, start.axis) for start in (self, other))
        return mine == others

    def is_same(self, other: ScanStart) -> bool:
        """Whether the two headers, which bear the same number, announce the same scan."""
        sizes = tuple(zip(self.voxel_size, other.voxel_size, strict=True))
        return (
            self.is_like(other)
            and self.reason == other.reason
            and self.length_unit == other.length_unit
            and all(math.isclose(one, two, rel_tol=SAME_VOXEL) for one, two in sizes)
            and abs(self.start_time - other.start_time) <= SAME_START_S
        )

    def contradicts(self, other: ScanStart) -> bool:
        """Whether two headers of one number and time announce different volumes."""
        return not self.is_like(other) and abs(self.start_time - other.start_time) <= SAME_START_S

    @property
    def length_unit(self) -> LengthUnit:
        return "µm" if self.voxel_size_um else "voxel"

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """(z, y, x) in `length_unit`."""
        return self.voxel_size_um or (1.0, 1.0, 1.0)

    @property
    def time(self) -> float:
        """Middle of the scan, UTC s: the instant its heights are taken to belong to."""
        return 0.5 * (self.start_time + self.stop_time)


@dataclass(frozen=True, slots=True, eq=False)
class SliceFrame:
    """One slice. `data`: read-only view of the received buffer, (ny, nx); (nz, nx) for axis y.
    `recovered`: it was missing, was asked for, and came by the resend service."""

    cell: str
    scan: int
    stream: str
    msg_number: int
    frame: int
    data: NDArray[Any]
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class ScanEnd:
    """`series_end` of the slice stream."""

    cell: str
    scan: int
    stream: str
    msg_number: int
    slices: int


@dataclass(frozen=True, slots=True)
class ResendQuestion:
    """Asks a producer's resend service for slices of a scan, and for its header. `stream` "": of
    whatever session of the producer; `id`: comes back with the end of the answer."""

    cell: str
    scan: int
    frames: tuple[int, ...] = ()
    header: bool = False
    stream: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class ResendEnd:
    """The resend service has answered the question `id`; `frames` are what it does not have."""

    cell: str
    scan: int
    frames: tuple[int, ...] = ()
    id: int = 0


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, marked read-only so that threads may share it."""
    array.setflags(write=False)
    return array


def shared(values: NDArray[Any]) -> NDArray[np.float32]:
    """A map as kernels take it: contiguous float32, read-only; the array itself stays as it is."""
    return frozen(np.ascontiguousarray(values, np.float32)[...])
