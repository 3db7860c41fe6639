"""The report of made-up recordings: its JSON, its words and its pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from monitor.cli.output import Messages
from monitor.engine.recorder import Recorder
from monitor.errors import RecordingError
from monitor.recording.read.experiment import open_experiment
from monitor.report import figures
from monitor.report.build import draw, report
from monitor.report.views import all_scans, first_discharge, over_charge
from tests.recording.synthetic import NX, NY, Scene, settings
from tests.report.made_up import make

ROW_KEYS = (
    "discharge current_density_mA_cm2 charge_mAh charge_mAh_cm2 coulometry_um averaged_um "
    "averaged_error_um complete_um complete_error_um closure"
)


@pytest.fixture(scope="module")
def two_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("two"), "A", "B")


@pytest.mark.slow
def test_json_is_the_contract(two_cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = report(two_cells, as_json=True)
    assert capsys.readouterr().out == ""
    assert not (two_cells / "report").exists()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["experiment"] == "made-up" and list(found["cells"]) == ["A", "B"]
    cell = found["cells"]["A"]
    assert [row["discharge"] for row in cell["table"]] == [1, 2]
    for row in cell["table"]:
        assert set(row) == set(ROW_KEYS.split())
    first = cell["table"][0]
    assert first["charge_mAh_cm2"] == 3.06 and first["closure"] == 1.02
    assert first["averaged_um"] == pytest.approx(first["coulometry_um"], abs=0.1)
    assert [scan["scan"] for scan in cell["scans"]] == list(range(8))
    assert cell["scans"][0]["reason"] == "reference" and cell["scans"][0]["complete"] is True
    assert cell["scans"][0]["pitting_factor"] is None
    assert cell["scans"][7]["discharge"] == 2


@pytest.mark.slow
def test_every_figure_is_drawn(two_cells: Path, tmp_path: Path) -> None:
    told = draw(open_experiment(two_cells), tmp_path / "figures")
    names = ("cross_sections", "height_maps", "current_density", "two_discharges")
    assert set(told) == {f"{cell} {name}" for cell in "AB" for name in names} | {"relief"}
    for path in told.values():
        pixels = imread(path)
        assert min(pixels.shape[:2]) > 300 and pixels[..., :3].std() > 0.02


def text_of(folder: Path, out: Path) -> str:
    said = io.StringIO()
    report(folder, out=out, console=Messages(width=200, file=said))
    return said.getvalue()


@pytest.mark.slow
def test_the_words_fit_what_is_there(tmp_path: Path) -> None:
    without = make(tmp_path, scene=Scene(voxel_um=None, nz=8), record_slices=False)
    text = text_of(without, tmp_path / "out")
    assert "Averaged\n" not in text and "voxel" in text
    assert "A cross_sections: not drawn:" in text and "record_slices was false" in text
    assert (tmp_path / "out" / "A_height_maps.png").exists()
    assert not (tmp_path / "out" / "A_cross_sections.png").exists()
    table = report(without, as_json=True)["cells"]["A"]["table"]
    assert table[0]["averaged_um"] is None and table[0]["averaged_voxel"] > 0


def test_an_empty_recording_says_why_nothing_is_drawn(tmp_path: Path) -> None:
    recorder = Recorder(settings(tmp_path))
    recorder.close()
    text = text_of(recorder.folder, tmp_path / "out")
    assert "no table" in text and text.count("not drawn") == 5
    assert "needs two discharges, 0 recorded" in text
    with pytest.raises(RecordingError, match="not a recorded experiment"):
        report(tmp_path, as_json=True)


@pytest.mark.slow
def test_scans_are_chosen_by_their_charge(two_cells: Path) -> None:
    experiment = open_experiment(two_cells)
    cell = experiment.settings.cell("A")
    assert cell is not None
    scans = all_scans(experiment.cells["A"], cell)
    numbers = [shown.scan.number for shown in over_charge(scans, (0.0, 0.5, 0.75, 1.0))]
    assert numbers == [0, 2, 3, 4]
    assert [shown.scan.number for shown in first_discharge(scans)] == [0, 1, 2, 3, 4]


def test_the_section_has_lithium_below_whatever_the_order(tmp_path: Path, two_cells: Path) -> None:
    experiment = open_experiment(two_cells)
    cell = experiment.settings.cell("A")
    assert cell is not None
    upside_down = cell.model_copy(update={"layers": ("electrolyte", "lithium", "collector")})
    shown: dict[str, np.ndarray[Any, Any]] = {}
    for name, layers in (("as sent", cell), ("reversed", upside_down)):
        figure = figures.cross_sections(all_scans(experiment.cells["A"], layers))
        shown[name] = np.asarray(figure.axes[0].images[0].get_array())
    assert shown["as sent"].shape[1] == NX and NY != NX
    assert shown["as sent"][:5].mean() < shown["as sent"][-5:].mean()
    np.testing.assert_array_equal(shown["as sent"], shown["reversed"][::-1])
