"""Lines through maps whose values between the pixels are known."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from monitor.core.surface_statistics.profiles import along, bilinear


def through(values, start, stop, points):
    rows, columns = along(start, stop, points)
    return bilinear(lambda y, x: values[y, x], values.shape, rows, columns)


def test_a_plane_is_met_exactly_between_its_pixels():
    y, x = np.mgrid[:40, :60].astype(np.float32)
    found = through(3.0 + 0.5 * y - 0.25 * x, (2.3, 1.7), (35.9, 50.2), 57)
    rows, columns = np.linspace(2.3, 35.9, 57), np.linspace(1.7, 50.2, 57)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 3.0 + 0.5 * rows - 0.25 * columns, rtol=1e-5)


def test_it_is_that_of_scipy():
    values = np.random.default_rng(1).normal(size=(30, 30)).astype(np.float32)
    rows, columns = np.linspace(0, 29, 101), np.linspace(29, 3, 101)
    expected = map_coordinates(values, [rows, columns], order=1)
    np.testing.assert_allclose(through(values, (0, 29), (29, 3), 101), expected, atol=1e-5)


def test_what_is_needed_and_not_known_is_not_known():
    values = np.ones((5, 5), np.float32)
    values[2, 2] = np.nan
    found = through(values, (2, 0), (2, 4), 9)
    np.testing.assert_array_equal(np.isnan(found), [False] * 3 + [True] * 3 + [False] * 3)
    assert not np.isnan(through(values, (1, 0), (1, 4), 9)).any(), "not its row, not needed"


def test_beside_the_map_there_is_nothing():
    values = np.ones((4, 4), np.float32)
    found = through(values, (1, -1), (1, 5), 7)
    np.testing.assert_array_equal(np.isnan(found), [True, False, False, False, False, True, True])
    assert np.isnan(through(values, (-9, -9), (90, -9), 20)).all()


@pytest.mark.parametrize("place", [(0.0, 0.0), (3.0, 3.0), (2.0, 1.0)])
def test_a_line_of_no_length_is_one_value(place):
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert set(through(values, place, place, 4)) == {values[int(place[0]), int(place[1])]}
