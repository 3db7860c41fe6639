"""(a) Voxels a second: the kernel beside a loop that only reads, numpy, scipy + scikit-image."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np
from numba import njit, prange
from scipy.ndimage import gaussian_filter1d
from skimage.filters import threshold_multiotsu

from monitor.core.interface import height_kernels, kernels
from monitor.core.interface.levels import Levels
from monitor.core.interface.surfaces import Surfaces
from monitor.records import ScanKey, ScanStart, frozen
from monitor.settings import CellSettings
from tests.studies.benchmarks.measure import best_seconds
from tests.studies.benchmarks.phantom import LEVELS, NOISE, Foil

DTYPES = ("uint8", "uint16", "float32")
MODEL = Levels(*LEVELS.values(), NOISE)


@njit(nogil=True, parallel=True)
def read_only(slab):
    """Sum of a slab's slices, row by row as the kernel walks them: what memory alone allows."""
    sums = np.zeros(slab[0].shape[0], np.float32)
    for y in prange(slab[0].shape[0]):
        total = np.float32(0)
        for k in range(len(slab)):
            row = slab[k][y]
            part = np.uint32(0)
            for x in range(row.shape[0]):
                part += np.uint32(row[x])
            total += np.float32(part)
        sums[y] = total
    return sums


class NumpyChangePoint:
    """The same change point by whole-slice numpy operations, arrays reused."""

    def __init__(self, side: int) -> None:
        self.state = np.zeros((7, side, side), np.float32)
        self.model = MODEL.model()

    def add(self, z: int, image: np.ndarray) -> None:
        a, b, f, g, h, ra, rb = self.state
        gain1, offset1, limit1, gain2, offset2, limit2 = self.model
        grey = image.astype(np.float32)
        r1 = grey * gain1
        r1 += offset1
        np.clip(r1, -limit1, limit1, out=r1)
        r2 = np.multiply(grey, gain2, out=grey)
        r2 += offset2
        np.clip(r2, -limit2, limit2, out=r2)
        enter1, enter2 = a <= 0, b <= 0
        np.copyto(g, f, where=enter2)
        with np.errstate(all="ignore"):
            np.copyto(h, z + np.clip(rb / (rb - r2), 0, 1), where=enter2)
            crossing = z + np.clip(ra / (ra - r1), 0, 1)
        np.maximum(b, 0, out=b)
        b += r2
        b += np.minimum(a, 0)
        np.copyto(f, crossing, where=enter1)
        np.maximum(a, 0, out=a)
        a += r1
        ra[:], rb[:] = r1, r2


def numpy_edges(volume: np.ndarray) -> np.ndarray:
    """Upper edge (ny, nx) by `NumpyChangePoint`."""
    made = NumpyChangePoint(volume.shape[1])
    for z, image in enumerate(volume):
        made.add(z, image)
    edge = made.state[4] - 1
    part = edge - np.floor(edge)
    bent = np.where(part < 0.5, part * (0.5 - part), -(part - 0.5) * (1 - part))
    return edge - height_kernels.LINEAR_BIAS * bent


def toolkit_edges(volume: np.ndarray) -> np.ndarray:
    """Upper edge by the usual tools: smooth along z, three-class Otsu, last of the darkest."""
    smooth = gaussian_filter1d(volume, 2.0, axis=0, output=np.float32)
    sample = smooth[:, ::16, ::16].reshape(len(volume), -1)
    low = threshold_multiotsu(sample, classes=3, nbins=128)[0]
    return len(volume) - 0.5 - np.argmax((smooth < low)[::-1], axis=0)


def whole_scan(volume: np.ndarray) -> Surfaces:
    """The product's own way through all slices of a scan of known grey levels."""
    start = ScanStart(
        ScanKey("A", "", 0), "s", 0, "periodic", "", "z", volume.shape, volume.dtype.name,
        None, 0.0, 0.0,
    )  # fmt: skip
    made = Surfaces(start, CellSettings(name="A"))
    made.set_levels(MODEL)
    made.add(0, tuple(volume))
    return made


def kernel_edges(volume: np.ndarray) -> np.ndarray:
    """Upper edge by `whole_scan`."""
    found = whole_scan(volume).heights(np.ones(len(volume), np.uint8))
    return found.height + found.bottom


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print voxels a second, and the ratios that matter."""
    foil = Foil(512 if quick else 1024, 96 if quick else 200, 60 if quick else 150)
    say("(a) kernel, 1e9 voxels/s, best of several; `×` is over numpy slice by slice")
    say(f"    volume {foil.slices} × {foil.side}², {numba.get_num_threads()} threads")
    truth = foil.heights(1)
    for dtype in DTYPES:
        volume = frozen(foil.volume(1, dtype))
        rates = _rates(volume, repeats=2 if quick else 5)
        numpy_rate = rates["numpy"]
        for name, rate in rates.items():
            say(f"    {dtype:8} {name:30} {rate / 1e9:7.3f}   {rate / numpy_rate:6.1f} ×")
        surfaces, ledger = whole_scan(volume), np.ones(len(volume), np.uint8)
        seconds = best_seconds(functools.partial(surfaces.heights, ledger), 5)
        say(f"    {dtype:8} {'heights and errors after it':30} {1000 * seconds:7.1f} ms")
        for name, edges in (
            ("kernel", kernel_edges(volume)),
            ("scikit-image", toolkit_edges(volume)),
        ):
            error = edges - truth
            rms = float(np.sqrt(np.nanmean(error**2)))
            say(f"    {dtype:8} {name + ' rms error, voxels':30} {rms:7.3f}")


def _rates(volume: np.ndarray, repeats: int) -> dict[str, float]:
    slab = tuple(volume[z % 8] for z in range(16))  # of collector only: no row settles
    voxels = 16 * volume[0].size
    # floats are read as bits: the order of a sum of floats would forbid to vectorise it
    bits = volume.view(np.uint32) if volume.dtype == np.float32 else volume
    distinct = tuple(bits[:16])
    few = volume[: 24 if repeats < 5 else 48]
    rates = {"read memory only": voxels / best_seconds(lambda: read_only(distinct), 3 * repeats)}
    stages = {"both edges": kernels.OPEN, "first edge settled": kernels.FIRST_SETTLED}
    for name, begin in stages.items():
        state = np.zeros((volume.shape[1], kernels.PLANES, volume.shape[2]), np.float32)
        stage = np.full(volume.shape[1], begin)
        until = np.zeros(volume.shape[1], np.float32)

        def advance(state=state, stage=stage, until=until) -> None:
            kernels.advance(slab, 0, MODEL.model(), state, stage, until)

        rates[f"kernel, {name}"] = voxels / best_seconds(advance, 3 * repeats)
    threads = numba.get_num_threads()
    for count in sorted({threads, 1}, reverse=True):
        numba.set_num_threads(count)
        rates[f"kernel, whole scan, {count} thread(s)"] = volume.size / best_seconds(
            lambda: whole_scan(volume), repeats
        )
    numba.set_num_threads(threads)
    rates["numpy"] = few.size / best_seconds(lambda: numpy_edges(few), repeats)
    rates["scipy + scikit-image"] = few.size / best_seconds(lambda: toolkit_edges(few), 2)
    return rates
