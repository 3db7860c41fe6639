import math
from dataclasses import replace

import numpy as np
import pytest

from simulators.imaging.tomogram import LEVELS, Imaging, Tomogram, _render, edge_shape

QUIET = Imaging(
    dtype="float32",
    slices=40,
    collector_slices=8.0,
    cnr=math.inf,
    fringe=0.0,
    gain_drift=0.0,
    offset_drift=0.0,
    z_drift=0.0,
)


def volume(tomogram: Tomogram) -> np.ndarray:
    return np.stack([tomogram.slice(k) for k in range(tomogram.slice_count)])


def changed(imaging: Imaging, **change) -> Imaging:
    return replace(imaging, **change)


def test_noise_free_profile_is_the_error_function():
    heights = np.linspace(10.0, 14.0, 24 * 30).reshape(24, 30)
    grey = volume(Tomogram(heights, QUIET))
    levels = LEVELS["float32"]
    for y, x in ((0, 0), (11, 7), (23, 29)):
        top = 7.5 + heights[y, x] / 0.717
        for k in range(40):
            up = 0.5 * (1 + math.erf((k - top) / (0.8 * math.sqrt(2))))
            down = 0.5 * (1 - math.erf((k - 7.5) / (0.8 * math.sqrt(2))))
            expected = (
                levels.lithium + levels.contrast * up + (levels.collector - levels.lithium) * down
            )
            assert grey[k, y, x] == pytest.approx(expected, abs=2e-5)


def test_fringe_is_a_dark_and_a_bright_line_of_the_given_amplitude():
    u = np.linspace(-10, 10, 4001)
    extra = edge_shape(u, 0.8, 0.3, 1.4) - edge_shape(u, 0.8, 0.0, 1.4)
    assert extra.max() == pytest.approx(0.3, abs=1e-5)
    assert u[extra.argmax()] == pytest.approx(1.4, abs=0.01)
    np.testing.assert_allclose(extra, -extra[::-1], atol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_contrast_to_noise_ratio_is_as_asked(dtype):
    imaging = changed(QUIET, dtype=dtype, cnr=3.0, slices=60)
    grey = volume(Tomogram(np.full((96, 96), 15.0), imaging, 4)).astype(float)
    lithium, electrolyte = grey[14:22], grey[40:]
    contrast = electrolyte.mean() - lithium.mean()
    noise = math.sqrt(0.5 * (electrolyte.var() + lithium.var()))
    assert contrast / noise == pytest.approx(3.0, rel=0.02)
    assert grey.dtype == float and Tomogram(np.full((4, 4), 9.0), imaging).slice(3).dtype == dtype


def test_noise_is_white_and_never_repeats_between_scans():
    imaging = changed(QUIET, cnr=2.0)
    flat = np.full((128, 128), 5.0)
    noise = [volume(Tomogram(flat, imaging, (1, scan)))[25:].astype(float) for scan in (0, 1)]
    noise = [(n - n.mean()) / n.std() for n in noise]
    bound = 5.0 / math.sqrt(noise[0].size)
    assert abs((noise[0] * noise[1]).mean()) < bound
    for axis in range(3):
        shifted = np.roll(noise[0], 1, axis)
        assert abs((noise[0] * shifted).mean()) < bound
    column_sum = noise[0].sum(axis=0) / math.sqrt(len(noise[0]))
    assert column_sum.std() == pytest.approx(1.0, abs=0.05)
    assert (noise[0] ** 4).mean() == pytest.approx(3.0, abs=0.1)


def test_a_slice_depends_on_nothing_but_its_name():
    heights = np.random.default_rng(1).uniform(8.0, 12.0, (16, 20))
    imaging = changed(QUIET, dtype="uint16", cnr=3.0, z_drift=0.5)
    one, two = Tomogram(heights, imaging, (3, 1)), Tomogram(heights, imaging, (3, 1))
    two.slice(9)
    np.testing.assert_array_equal(one.slice(17), two.slice(17))
    assert one.bottom != Tomogram(heights, imaging, (3, 2)).bottom


def test_vertical_and_reversed_slices_show_the_same_volume():
    heights = np.random.default_rng(2).uniform(8.0, 16.0, (12, 18))
    upright = volume(Tomogram(heights, QUIET))
    vertical = volume(Tomogram(heights, changed(QUIET, axis="y")))
    reversed_z = volume(Tomogram(heights, changed(QUIET, reversed_z=True)))
    both = volume(Tomogram(heights, changed(QUIET, axis="y", reversed_z=True)))
    assert vertical.shape == (12, 40, 18)
    np.testing.assert_allclose(vertical.transpose(1, 0, 2), upright, atol=1e-6)
    np.testing.assert_array_equal(reversed_z[::-1], upright)
    np.testing.assert_allclose(both.transpose(1, 0, 2)[::-1], upright, atol=1e-6)


def test_rings_are_concentric():
    flat = np.full((64, 64), 5.0)
    ringed = Tomogram(flat, changed(QUIET, rings=0.5)).slice(30) - Tomogram(flat, QUIET).slice(30)
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(y, x).astype(int)
    means = np.array([ringed[radius == r].mean() for r in range(20)])
    assert all(np.ptp(ringed[radius == r]) < 1e-5 for r in range(20))
    assert means.std() > 0.01


def test_kernel_gives_the_same_compiled_and_plain():
    rng = np.random.default_rng(0)
    top = rng.uniform(3.0, 9.0, (5, 7)).astype(np.float32)
    edge = np.linspace(0.0, 1.0, 65, dtype=np.float32)
    outs = []
    for kernel in (_render, _render.py_func):
        out = np.empty((5, 7), np.uint16)
        kernel(
            out, top, np.full(5, 6.0, np.float32), np.full(5, 100.0, np.float32), np.float32(50.0),
            edge, np.float32(4.0), np.zeros(64, np.float32), np.zeros(5, np.int64),
            np.zeros(5, np.float32), np.float32(65535.0),
        )  # fmt: skip
        outs.append(out.astype(int))
    assert np.abs(outs[0] - outs[1]).max() <= 1
    expected = 100.0 + 50.0 * np.clip((6.0 - top + 4.0) / 8.0, 0.0, 1.0)
    assert np.abs(outs[0] - expected).max() <= 0.51


def test_a_slice_that_does_not_exist_is_refused():
    with pytest.raises(IndexError, match="slice 40 of 40"):
        Tomogram(np.full((4, 4), 9.0), QUIET).slice(40)
