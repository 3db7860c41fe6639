"""A short turn of what `python -m tests.studies.fuzz` does by the million."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.studies.fuzz import corpus
from tests.studies.fuzz.decoders import DECODERS, fuzz
from tests.studies.fuzz.live import fuzz_engine
from tests.studies.fuzz.mutate import Mutator
from tests.studies.fuzz.recordings import USES, fuzz_recordings
from tests.studies.fuzz.texts import fuzz_texts


def test_the_same_seed_breaks_messages_in_the_same_way() -> None:
    first, again, other = (Mutator(seed, corpus.slices()) for seed in (1, 1, 2))
    made = [first.message() for _ in range(500)]
    assert made == [again.message() for _ in range(500)]
    assert made != [other.message() for _ in range(500)]


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.slow
def test_a_decoder_reads_or_refuses_in_one_line(name: str) -> None:
    outcome = fuzz(name, 3000, seed=1)
    assert outcome.sent == 3000 == outcome.used + outcome.refused.total()
    assert outcome.used > 100
    assert outcome.refused.total() > 1000
    assert outcome.grown_MB < 20


def test_a_text_is_shown_as_it_is_written() -> None:
    assert set(fuzz_texts(300, seed=1).values()) == {300}


@pytest.mark.slow
def test_an_engine_counts_each_and_goes_on(tmp_path: Path) -> None:
    report = fuzz_engine(tmp_path, 10_000, seed=1)
    assert report.sent.total() == 10_000
    assert report.counted == report.expected
    assert report.grown_MB < 30, str(report)


@pytest.mark.slow
def test_a_recording_is_used_or_refused_in_one_line(tmp_path: Path) -> None:
    outcomes = fuzz_recordings(tmp_path, 6, seed=1)
    assert outcomes.total() == 6 * len(USES)
