import warnings

import bluesky.plan_stubs as bps
import pytest
from bluesky import RunEngine
from event_model import DocumentNames, schema_validators

from simulators.devices.cycler import Cycler, potential_V
from simulators.truth.protocol import CellTime, Program, Step

PROGRAM = Program((Step("discharge", 0.5, 1.0), Step("rest", rest_s=600.0)), 1000.0)


def test_reading_is_that_of_the_program_at_cell_time():
    time = CellTime(4600.0)
    cycler = Cycler(name="vmp", program=PROGRAM, time=time, area_cm2=0.2)
    cycler.trigger().wait(60.0)
    reading = cycler.read()
    assert set(reading) == {"vmp_potential", "vmp_current", "vmp_charge", "vmp_cycle", "vmp_step"}
    assert {row["timestamp"] for row in reading.values()} == {4600.0}
    assert reading["vmp_current"]["value"] == pytest.approx(-0.1)
    assert reading["vmp_charge"]["value"] == pytest.approx(-0.1)
    assert (reading["vmp_cycle"]["value"], reading["vmp_step"]["value"]) == (1, 1)


def test_sign_of_the_current_follows_the_setting():
    cycler = Cycler(
        name="vmp",
        program=PROGRAM,
        time=CellTime(2000.0),
        area_cm2=1.0,
        stripping_current_sign=1,
    )
    cycler.trigger().wait(60.0)
    assert cycler.read()["vmp_current"]["value"] == pytest.approx(0.5)


def test_discharge_has_two_plateaus_and_a_drop():
    volts = [potential_V(PROGRAM.at(1000.0 + part * 7200.0)) for part in (0.05, 0.5, 0.9, 0.9999)]
    assert volts[0] == pytest.approx(2.32, abs=0.03)
    assert volts[1] == pytest.approx(2.07, abs=0.03)
    assert volts[1] - volts[2] < 0.01
    assert volts[3] < 1.9
    assert potential_V(PROGRAM.at(0.0)) > 2.4


def test_documents_under_a_run_engine_fit_their_schemas():
    engine, documents = RunEngine({}, context_managers=[]), []
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    time = CellTime(1500.0)
    cycler = Cycler(name="vmp", program=PROGRAM, time=time, area_cm2=0.2)

    def plan():
        yield from bps.open_run({"cell": "A"})
        for _ in range(3):
            yield from bps.trigger_and_read([cycler], "cycler")
            time.reach(time.now + 60.0)
        yield from bps.close_run()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine(plan())
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()
    for name, doc in documents:
        schema_validators[DocumentNames[name]].validate(doc)
    stamps = [doc["timestamps"]["vmp_current"] for name, doc in documents if name == "event"]
    assert stamps == [1500.0, 1560.0, 1620.0]


def test_units_precision_and_configuration_are_described():
    cycler = Cycler(name="vmp", program=PROGRAM, time=CellTime(1500.0), area_cm2=0.2)
    assert {key: entry.get("units") for key, entry in cycler.describe().items()} == {
        "vmp_potential": "V",
        "vmp_current": "mA",
        "vmp_charge": "mAh",
        "vmp_cycle": None,
        "vmp_step": None,
    }
    assert cycler.describe()["vmp_potential"]["precision"] == 4
    assert cycler.hints == {"fields": ["vmp_potential", "vmp_current"]}
    values = {key: entry["value"] for key, entry in cycler.read_configuration().items()}
    assert values == {
        "vmp_program": "discharge 0.5 mA/cm2 to 1 mAh/cm2; rest 600 s",
        "vmp_program_start": 1000.0,
        "vmp_electrode_area": 0.2,
        "vmp_stripping_current_sign": -1,
    }
    assert cycler.describe_configuration()["vmp_electrode_area"]["units"] == "cm2"
