"""Volumes in HDF5: nabu's layout, our own recordings, or the one 3-D dataset of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the compression filters
import numpy as np
from numpy.typing import NDArray

from monitor.errors import SourceError
from monitor.sources.planes import Planes

NABU_DATA = re.compile(r"/[^/]+/reconstruction/results/data")
OWN_DATA = "/entry/reconstruction/data"
OWN_LEDGER = "/entry/ledger/received"
SLAB_BYTES = 2**28
UM_PER_CM = 1.0e4


def open_hdf5(path: Path, dataset: str | None) -> Planes:
    """The volume in an HDF5 file, `dataset` or the one that is plainly meant.

    Raises SourceError where there is none, where there are several, or where a chunk file of a
    virtual dataset is missing: HDF5 itself would deliver fill values in its place.
    """
    try:
        with h5py.File(path, "r") as file:
            name = "/" + dataset.strip("/") if dataset else _only_volume(file, path)
            data = _dataset(file, name, path)
            _check_chunk_files(data, path)
            _check_ledger(file, name, path)
            nz, ny, nx = data.shape
            voxel = _voxel_size_um(file, name)
            return Planes((nz, ny, nx), data.dtype, voxel, lambda: _planes(path, name))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read as HDF5 ({error}); check the file") from None


def _only_volume(file: h5py.File, path: Path) -> str:
    found: list[str] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim == 3 and node.dtype.kind in "biuf":
            found.append("/" + name)

    file.visititems(visit)
    reconstructed = [name for name in found if NABU_DATA.fullmatch(name)] or [
        name for name in found if name == OWN_DATA
    ]
    candidates = reconstructed or found
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise SourceError(
            f"{path}: holds no 3-D dataset of numbers; expected a volume (nz, ny, nx)"
        )
    raise SourceError(
        f"{path}: holds {len(candidates)} 3-D datasets: {', '.join(candidates[:8])}; name one, "
        f"e.g. {path.name}::{candidates[0]}"
    )


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    node = file.get(name)
    if not isinstance(node, h5py.Dataset):
        raise SourceError(f"{path}: has no dataset {name}; check the path behind '::'")
    if node.ndim != 3 or 0 in node.shape:
        raise SourceError(f"{path}::{name}: shape is {node.shape}, expected (nz, ny, nx)")
    return node


def _check_chunk_files(data: h5py.Dataset, path: Path) -> None:
    if not data.is_virtual:
        return
    mapped = 0
    for source in data.virtual_sources():
        mapped += source.vspace.get_select_npoints()
        if source.file_name == ".":
            continue
        chunk = path.parent / source.file_name
        if not chunk.is_file():
            raise SourceError(
                f"{path}::{data.name}: chunk file {chunk} is missing; wait until the "
                "reconstruction has written it, or restore it"
            )
        with h5py.File(chunk, "r") as file:
            if source.dset_name not in file:
                raise SourceError(
                    f"{path}::{data.name}: chunk file {chunk} has no dataset {source.dset_name}; "
                    "wait until the reconstruction has written it"
                )
    if mapped < data.size:
        raise SourceError(
            f"{path}::{data.name}: its chunk files cover {mapped} of {data.size} voxels; wait "
            "until the reconstruction is complete"
        )


def _check_ledger(file: h5py.File, name: str, path: Path) -> None:
    ledger = file.get(OWN_LEDGER) if name == OWN_DATA else None
    if ledger is not None and not np.all(ledger[()]):
        missing = np.flatnonzero(ledger[()] == 0)
        raise SourceError(
            f"{path}: {missing.size} slices of this recorded scan never came, the first is "
            f"{missing[0]}; choose a complete scan"
        )


def _planes(path: Path, name: str) -> Iterator[NDArray[Any]]:
    with h5py.File(path, "r") as file:
        data = file[name]
        plane_bytes = max(1, data.dtype.itemsize * data.shape[1] * data.shape[2])
        deep = data.chunks[0] if data.chunks else 1
        # Whole chunks at a time: each is then decompressed once, not once a plane.
        step = max(1, min(deep, SLAB_BYTES // plane_bytes))
        for z in range(0, data.shape[0], step):
            try:
                yield from data[z : z + step]
            except OSError as error:
                raise SourceError(f"{path}::{name}: slice {z} cannot be read ({error})") from None


def _voxel_size_um(file: h5py.File, name: str) -> tuple[float, float, float] | None:
    if NABU_DATA.fullmatch(name):
        options = name.replace("/results/data", "/configuration/processing_options/reconstruction/")
        for key in ("voxel_size_cm", "pixel_size_cm"):
            if options + key in file:
                return voxel_size_from_cm(file[options + key][()])
    if name == OWN_DATA and file["entry"].attrs.get("length_unit") == "µm":
        return _three(np.asarray(file["entry"].attrs["voxel_size"], float))
    return None


def voxel_size_from_cm(value: Any) -> tuple[float, float, float] | None:
    """(z, y, x) in µm from nabu's number, array or text in cm; None where it says nothing."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = [float(number) for number in re.findall(r"[\d.]+(?:[eE][-+]?\d+)?", value)]
    return _three(np.atleast_1d(np.asarray(value, float)) * UM_PER_CM)


def _three(values: NDArray[np.float64]) -> tuple[float, float, float] | None:
    if values.size == 1:
        values = np.repeat(values, 3)
    if values.size != 3 or not np.isfinite(values).all() or (values <= 0).any():
        return None
    z, y, x = (float(value) for value in values.ravel())
    return (z, y, x)
