"""What the benchmarks compare does the same job; how fast is not asked here."""

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
    sent = producer.messages(FOIL, 1, FOIL.volume(1))
    assert len(sent) == FOIL.slices + 2
    assert [len(frames) for frames in sent] == [1, *[2] * FOIL.slices, 1]
