"""A crowd of hostile clients beside a scan; `python -m tests.studies.hostile_clients` is the long
form."""

import pytest

from tests.studies.hostile_clients.study import study


@pytest.mark.parametrize("with_keys", [False, True], ids=["plain", "keys"])
def test_scans_are_recorded_and_a_screen_is_answered_beside_hostile_clients(tmp_path, with_keys):
    figures = study(tmp_path, seconds=6.0, clients=20, every_s=4.0, side=96, with_keys=with_keys)
    assert figures.scans >= 2
    assert figures.lacking == []
    assert len(figures.answers_s) >= 3
    assert {"idle", "unread", "flood", "endless", "oversize"} <= set(figures.crowd)
    assert any("without a complete message" in text for text in figures.told)
    # a flood of small parts alone would take hundreds of MB a second
    assert max(figures.memory_MB) < figures.before_MB + 400
