"""What a process that continues another one sends again."""

from __future__ import annotations

from dataclasses import replace

from monitor.sources.folder.restart import for_new_recording, taken_back
from monitor.sources.folder.state import SentFolder
from tests.sources.folder.test_state import VOLUME


def test_what_an_engine_may_not_have_recorded_is_taken_back_over_several_volumes() -> None:
    volumes = tuple(replace(VOLUME, name=str(k), slices=12, ended=True) for k in range(3))
    sent = SentFolder("A", volumes=volumes)

    def left(again_bytes: float) -> list[tuple[int, bool]]:
        volumes = taken_back(sent, again_bytes).volumes
        return [(known.slices, known.ended) for known in volumes]

    plane_bytes = 10 * 8 * 4
    assert left(0.0) == [(12, True), (12, True), (4, False)]
    assert left(10 * plane_bytes) == [(12, True), (12, True), (2, False)]
    assert left(14.5 * plane_bytes) == [(12, True), (9, False), (0, False)]
    assert left(1e9) == [(0, False)] * 3


def test_a_new_recording_gets_what_has_not_ended_from_its_first_slice() -> None:
    ended, begun = replace(VOLUME, ended=True), replace(VOLUME, name="other")
    found = for_new_recording(SentFolder("A", volumes=(ended, begun))).volumes
    assert found == (ended, replace(begun, slices=0))
