"""Volumes written in every format that is read, by the libraries that others write them with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import tifffile
from fabio.edfimage import EdfImage
from PIL import Image

SHAPE = (12, 16, 20)
Write = Callable[[Path, Any], Path]
"""Writes the array into a folder, returns what is to be opened."""


def noise(shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> Any:
    """uint16 grey levels without any 0."""
    return np.random.default_rng(seed).integers(1000, 60000, shape, np.uint16)


def hdf5(**options: Any) -> Write:
    def write(folder: Path, data: Any) -> Path:
        with h5py.File(folder / "volume.h5", "w") as file:
            file.create_dataset("data", data=data, **options)
        return folder / "volume.h5"

    return write


def write_parts(folder: Path, data: Any, count: int = 3, name: str = "part{}.h5") -> list[str]:
    """The volume in files of a few slices each; returns their names."""
    each = len(data) // count
    names = [name.format(k) for k in range(count)]
    for k, part in enumerate(names):
        with h5py.File(folder / part, "w") as file:
            file["data"] = data[k * each : (k + 1) * each]
    return names


def map_parts(path: Path, names: list[str], shape: Any, dtype: Any, dataset: str = "data") -> None:
    """A virtual dataset of files that hold equal numbers of slices."""
    each = shape[0] // len(names)
    layout = h5py.VirtualLayout(shape, dtype)
    for k, name in enumerate(names):
        source = h5py.VirtualSource(name, "data", (each, *shape[1:]), dtype)
        layout[k * each : (k + 1) * each] = source
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(dataset, layout)


def virtual(folder: Path, data: Any) -> Path:
    map_parts(folder / "master.h5", write_parts(folder, data), data.shape, data.dtype)
    return folder / "master.h5"


def virtual_of_virtual(folder: Path, data: Any) -> Path:
    map_parts(folder / "mid.h5", write_parts(folder, data), data.shape, data.dtype)
    map_parts(folder / "master.h5", ["mid.h5"], data.shape, data.dtype)
    return folder / "master.h5"


def linked(folder: Path, data: Any) -> Path:
    (folder / "far").mkdir()
    virtual(folder / "far", data)
    with h5py.File(folder / "scan.h5", "w") as file:
        file["data"] = h5py.ExternalLink("far/master.h5", "/data")
    return folder / "scan.h5"


def raw_files(folder: Path, data: Any) -> Path:
    """Pixels in two files beside the HDF5 file, by absolute names."""
    half = data.nbytes // 2
    files = [(str(folder / "a.raw"), 0, half), (str(folder / "b.raw"), 0, half)]
    with h5py.File(folder / "volume.h5", "w") as file:
        file.create_dataset("data", data.shape, data.dtype, external=files)[:] = data
    return folder / "volume.h5"


def tiff(**options: Any) -> Write:
    def write(folder: Path, data: Any) -> Path:
        tifffile.imwrite(folder / "volume.tif", data, photometric="minisblack", **options)
        return folder / "volume.tif"

    return write


def tiff_page_by_page(folder: Path, data: Any, **options: Any) -> Path:
    """As nabu's tiff_single_file."""
    with tifffile.TiffWriter(folder / "volume.tif") as writer:
        for plane in data:
            writer.write(plane, **options)
    return folder / "volume.tif"


def tiff_two_series(folder: Path, data: Any) -> Path:
    tifffile.imwrite(folder / "volume.tif", data[:-1])
    tifffile.imwrite(folder / "volume.tif", data[-1], append=True)
    return folder / "volume.tif"


def pillow(compression: str | None = None) -> Write:
    def write(folder: Path, data: Any) -> Path:
        pages = [Image.fromarray(plane) for plane in data]
        path = folder / "volume.tif"
        pages[0].save(path, save_all=True, append_images=pages[1:], compression=compression)
        return path

    return write


def stack(**options: Any) -> Write:
    def write(folder: Path, data: Any) -> Path:
        (folder / "rec").mkdir(exist_ok=True)
        for index, plane in enumerate(data):
            tifffile.imwrite(folder / "rec" / f"rec_{index:05d}.tiff", plane, **options)
        return folder / "rec"

    return write


def stack_edf(folder: Path, data: Any) -> Path:
    """By ESRF's own library."""
    (folder / "rec").mkdir(exist_ok=True)
    for index, plane in enumerate(data):
        EdfImage(data=plane).write(str(folder / "rec" / f"rec_{index:05d}.edf"))
    return folder / "rec"


def npy(folder: Path, data: Any) -> Path:
    np.save(folder / "volume.npy", data)
    return folder / "volume.npy"


def vol(folder: Path, data: Any) -> Path:
    """Its pixels are float32."""
    path = folder / "volume.vol"
    data.astype("<f4").tofile(path)
    nz, ny, nx = data.shape
    (folder / "volume.vol.info").write_text(
        f"! PyHST_SLAVE VOLUME INFO FILE\nNUM_X =  {nx}\nNUM_Y =  {ny}\nNUM_Z =  {nz}\n"
        "voxelSize =  0.650000\nBYTEORDER = LOWBYTEFIRST\n"
    )
    return path


FORMATS: dict[str, Write] = {
    "hdf5": hdf5(),
    "hdf5 chunked": hdf5(chunks=(1, 16, 20)),
    "hdf5 deep chunks": hdf5(chunks=(5, 7, 9)),
    "hdf5 gzip": hdf5(chunks=(2, 16, 20), compression="gzip"),
    "hdf5 fletcher": hdf5(chunks=(2, 8, 20), fletcher32=True, shuffle=True),
    "hdf5 bitshuffle": hdf5(chunks=(1, 16, 20), **hdf5plugin.Bitshuffle()),
    "hdf5 virtual": virtual,
    "hdf5 virtual of virtual": virtual_of_virtual,
    "hdf5 link": linked,
    "hdf5 raw files": raw_files,
    "tiff": tiff(),
    "tiff big": tiff(bigtiff=True, byteorder=">"),
    "tiff zlib": tiff(compression="zlib"),
    "tiff zlib tiles": tiff(compression="zlib", tile=(16, 16)),
    "tiff imagej": tiff(imagej=True),
    "tiff ome": tiff(ome=True),
    "tiff page by page": tiff_page_by_page,
    "tiff two series": tiff_two_series,
    "tiff pillow": pillow(),
    "tiff pillow deflate": pillow("tiff_adobe_deflate"),
    "stack": stack(),
    "stack zlib": stack(compression="zlib"),
    "stack edf": stack_edf,
    "npy": npy,
}
