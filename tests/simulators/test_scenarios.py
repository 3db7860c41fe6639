import math

import pytest

from monitor.errors import SettingError
from monitor.settings import Settings
from simulators import scenarios


def test_charges_are_those_of_the_published_electrodes():
    for name, mAh, hours in (("paper-0.55", 0.60, 5.556), ("paper-0.23", 0.69, 15.28)):
        (cell,) = scenarios.named(name).cells
        assert cell.steps[0].charge_mAh_cm2 == pytest.approx(mAh / 0.19635, rel=1e-4)
        assert cell.steps[0].duration_s / 3600 == pytest.approx(hours, rel=1e-3)


def test_two_cells_are_the_two_published_ones():
    cells = {cell.name: cell for cell in scenarios.named("two-cells").cells}
    assert cells["A"].steps == scenarios.named("paper-0.55").cells[0].steps
    assert cells["B"].steps == scenarios.named("paper-0.23").cells[0].steps


def test_settings_for_a_scenario_bring_its_cells_and_keep_the_rest():
    base = Settings.model_validate({"experiment": {"name": "kept"}, "simulator": {"size": 96}})
    settings = scenarios.settings_for("two-cells", base)
    assert [(c.name, c.capacity_mAh) for c in settings.cells] == [("A", 0.60), ("B", 0.69)]
    assert settings.cells[0].area_cm2 == pytest.approx(math.pi * 0.25**2)
    assert (settings.simulator.scenario, settings.simulator.size) == ("two-cells", 96)
    assert settings.experiment.name == "kept"


def test_an_unknown_scenario_is_refused_and_the_nearest_named():
    with pytest.raises(SettingError, match=r"'paper-0\.5'.*did you mean 'paper-0\.55'"):
        scenarios.settings_for("paper-0.5", Settings())
