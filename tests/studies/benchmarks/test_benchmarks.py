"""What the benchmarks compare does the same job; how fast is not asked here."""

from dataclasses import replace

import numpy as np

from monitor.records import frozen
from tests.studies.benchmarks import kernels, producer
from tests.studies.benchmarks.phantom import Foil

FOIL = Foil(64, 104)


def test_all_three_find_the_edge_that_was_rendered():
    volume = frozen(FOIL.volume(1))
    truth = FOIL.heights(1)
    ours, numpy_s = kernels.kernel_edges(volume), kernels.numpy_edges(volume)
    assert np.nanmedian(np.abs(ours - truth)) < 0.6
    np.testing.assert_allclose(numpy_s, ours, atol=1e-3)
    assert np.median(np.abs(kernels.toolkit_edges(volume) - truth)) < 2.0


def test_a_scan_is_sent_whole():
    sent = list(producer.messages(FOIL, 1, FOIL.volume(1)))
    assert len(sent) == FOIL.slices + 2
    assert [len(frames) for frames in sent] == [1, *[2] * FOIL.slices, 1]


def test_a_reversed_scan_shows_the_same_foil():
    upright, reversed_z = FOIL.volume(1), replace(FOIL, reversed_z=True).volume(1)
    difference = upright[::-1].mean((1, 2)) - reversed_z.mean((1, 2))
    assert np.abs(difference).max() < 5.0
    assert replace(FOIL, reversed_z=True).layers == ["electrolyte", "lithium", "collector"]
