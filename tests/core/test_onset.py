"""When an extra scan is asked for: once, for a reason, by a name that a replay gives again."""

from types import SimpleNamespace

import pytest

from monitor.core.onset import OnsetWatch, request_id
from monitor.records import Pit
from monitor.settings import OnsetSettings
from tests.core.phantom import start


def result(scan, pits, voxel_um=1.0):
    made = tuple(
        Pit(n + 1, -1, scan, 10.0 * n, 5.0, 80.0, 10.0, 4.0 + n, 2.0, 160.0, 1.0, 1e-9)
        for n in range(pits)
    )
    begin = start((10, 10, 10), scan=scan, voxel_um=voxel_um)
    return SimpleNamespace(pits=made, start=begin, key=begin.key)


def judged(counts, **settings):
    watch = OnsetWatch(OnsetSettings(**settings), "trial")
    return [watch.judge(result(scan, count)) for scan, count in enumerate(counts)]


def test_pitting_begins_once():
    verdicts = judged([0, 0, 3, 5, 0, 4])
    assert [verdict.onset for verdict in verdicts] == [False, False, True, False, False, False]
    assert [verdict.request is not None for verdict in verdicts] == [v.onset for v in verdicts]


def test_the_request_names_the_deepest_pit():
    request = judged([0, 3])[1].request
    assert (request.cell, request.reason, request.after_scan) == ("A", "pit_onset", 1)
    assert request.evidence == {
        "pit_count": 3, "depth_max_um": 6.0, "x_um": 20.0, "y_um": 5.0, "p_value": 1e-9
    }  # fmt: skip


def test_lengths_are_in_voxels_where_no_voxel_size_is_known():
    verdict = OnsetWatch(OnsetSettings(), "trial").judge(result(0, 1, voxel_um=None))
    assert {"depth_max_voxel", "x_voxel", "y_voxel"} < set(verdict.request.evidence)
    assert not any(key.endswith("_um") for key in verdict.request.evidence)


def test_few_pits_are_not_yet_an_onset():
    assert [v.onset for v in judged([2, 4, 5], min_pits=5)] == [False, False, True]


def test_switched_off_it_tells_but_does_not_ask():
    verdict = judged([1], mode="off")[0]
    assert verdict.onset
    assert verdict.request is None
    assert "off" in verdict.why


def test_the_id_of_a_request_follows_from_what_it_asks():
    first, again = judged([1])[0].request.id, judged([1])[0].request.id
    assert first == again == request_id("trial", "A", "", 0, "pit_onset")
    assert first != judged([0, 1])[1].request.id


@pytest.mark.parametrize("count", [0, 1])
def test_every_verdict_says_why(count):
    assert str(count) in judged([count])[0].why
