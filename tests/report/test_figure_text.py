"""Names and units in figures are drawn as they are written: no formula, no character that acts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from monitor.recording.read.experiment import open_experiment
from monitor.report import figures
from monitor.report.policies import draw
from monitor.report.views import all_scans, figure_text
from tests.report.made_up import make

WORDS = ("$x_", r"$\bad$", "a$b$c", r"\$a$", "$$", "_a", "a\u202eb\x1b[31m\n", "a{b}%", "$\\frac{")


def texts_of(figure: Figure) -> Iterator[str]:
    """The texts of a figure as they are drawn."""
    for text in figure.findobj(Text):
        said, math = text._preprocess_math(text.get_text())
        assert not math, said
        yield said


@pytest.mark.parametrize("words", WORDS)
def test_words_are_drawn_as_they_are(words: str) -> None:
    figure = Figure()
    axes = figure.subplots()
    for place in (axes.set_title, axes.set_xlabel, figure.suptitle):
        place(f"a {figure_text(words)} b")
    axes.plot([0], [0], label=figure_text(words))
    axes.legend()
    figure.savefig(io.BytesIO())
    drawn = list(texts_of(figure))
    shown = words.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b").replace("\n", "\\n")
    assert sum(shown in text for text in drawn) == 4, drawn


@dataclass(frozen=True)
class Situation:
    length_unit: str
    time: float = 0.0
    deepest: None = None


@dataclass(frozen=True)
class Judged:
    situation: Situation


@dataclass(frozen=True)
class Outcome:
    policy: str
    scans: tuple[Judged, ...]
    fired: tuple[Judged, ...] = ()


@pytest.mark.parametrize("words", WORDS)
def test_a_backtest_draws_names_as_they_are(words: str) -> None:
    cells: Any = {words: [Outcome(words, (Judged(Situation(words)),))]}
    figure = draw(cells)
    figure.savefig(io.BytesIO())
    assert len([text for text in texts_of(figure) if "asked" in text]) == 1
    assert any(text.startswith("Depth / ") for text in texts_of(figure))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("words", ["$x_", r"$\bad$", "a\x1b[31m\u202e"])
@pytest.mark.slow
def test_a_report_draws_no_unit_but_those_it_knows(recorded: Path, words: str) -> None:
    experiment = open_experiment(recorded)
    settings = experiment.settings.cell("A")
    assert settings is not None
    scans = all_scans(experiment.cells["A"], settings)
    for shown in scans:
        shown.scan.header["length_unit"] = words
    for made in (figures.height_maps(scans), figures.relief({"A": scans})):
        made.savefig(io.BytesIO())
        texts = list(texts_of(made))
        assert any("voxel" in text for text in texts)
        assert not any(words in text or figure_text(words) in text for text in texts)
