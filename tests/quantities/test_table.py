"""Every number of a scan is in the table, once: as computed, recorded, shown and documented."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from monitor.core.policy import rules
from monitor.core.session import Session
from monitor.quantities import table
from monitor.quantities.quantity import NEEDS, unit_in_name
from monitor.records import CyclerReading, Pit, ScanResult
from monitor.wire.results.replies import pit_columns
from tests.core.experiment import experiment, settings
from tests.core.phantom import records, start
from tests.core.test_plating import SHAPE, charge, slices

ROOT = Path(__file__).parents[2]
KINDS = {
    "scalar": table.SCALARS,
    "map": table.MAPS | {"pit_labels": table.LABELS},
    "pit column": table.PIT_COLUMNS,
    "reading": table.READINGS,
    "event value": table.FINDINGS,
}
ALL = [(kind, one) for kind, quantities in KINDS.items() for one in quantities.values()]
BAD = (
    "where", "tell", "tells", "told", "goes on", "at first", "did not come", "are seen", "fate",
    "deed", "pursuit", "outlook", "despair", "hopeless", "surprise", "comes", "came", "look",
    "take", "lacks", "lacking", "ahead", "swallowed", "swallows", "behind",
)  # fmt: skip
"""Words that plain technical English does not need."""


def results_of(feed):
    session, found = Session(settings()), []
    for record in feed:
        found += [one for one in session.feed(record) if isinstance(one, ScanResult)]
    return list({one.key: one for one in found if not one.provisional}.values())


def plated():
    begin = start(SHAPE, scan=1, voxel_um=1.0)
    yield from records(start(SHAPE, scan=0, voxel_um=1.0), slices(0, 1))
    yield from charge(begin.stop_time, 0.7)
    yield from records(begin, slices(24.0, 2))


@pytest.fixture(scope="module")
def scans():
    """Results of simulated scans: stripped, without a voxel size, without a cycler, plated."""
    return {
        "stripped": results_of(experiment()),
        "voxel": results_of(experiment(voxel_um=None)),
        "no cycler": results_of(record for record in experiment() if hasattr(record, "stream")),
        "plated": results_of(plated()),
    }


@pytest.mark.slow
def test_every_number_map_and_column_of_simulated_scans_is_in_the_table(scans):
    for name, results in scans.items():
        assert len(results) > 1
        for result in results:
            unit = result.start.length_unit
            known = {one.key(each) for one in table.SCALARS.values() for each in ("µm", unit)}
            assert set(result.summary) <= known, name
            assert set(result.maps) <= set(table.MAPS), name
            assert set(pit_columns(result.pits, unit)) <= {
                one.key(unit) for one in table.PIT_COLUMNS.values()
            }
    assert any(result.pits for result in scans["stripped"])
    assert "deposit_front" in scans["plated"][1].maps
    assert {field.name for field in dataclasses.fields(Pit)} == set(table.PIT_COLUMNS)
    fields = {field.name for field in dataclasses.fields(CyclerReading)}
    assert fields - {"cell"} == set(table.READINGS)


@pytest.mark.parametrize(
    ("name", "need"), [("no cycler", "charge"), ("voxel", "voxel size"), ("stripped", "deposit")]
)
def test_what_needs_something_has_no_value_without_it(scans, name, need):
    for result in scans[name]:
        for one in table.SCALARS.values():
            if need in one.needs:
                assert result.summary.get(one.key(result.start.length_unit)) is None, one.name
        for one in table.MAPS.values():
            assert need not in one.needs or one.name not in result.maps


def test_what_needs_nothing_is_known_of_every_scan(scans):
    optional = {"refine_memory_MB", "charge_state", "request"}
    of_disk = {"slices_not_recorded", "slices_late"}
    for result in scans["no cycler"]:
        for one in table.SCALARS.values():
            if not one.needs and one.name not in optional | of_disk:
                assert result.summary[one.key("µm")] is not None, one.name
    last = scans["stripped"][-1].summary
    needed = {"deposit", "plating", "second discharge", "capacity", "collector"}
    for one in table.SCALARS.values():
        if one.needs and not needed & set(one.needs) and "stripping" not in one.needs:
            assert last[one.key("µm")] is not None, one.name


def test_every_entry_is_computed():
    source = "".join(
        path.read_text("utf-8")
        for folder in ("core", "engine", "recording")
        for path in (ROOT / "monitor" / folder).rglob("*.py")
    )
    for one in table.SCALARS.values():
        names = {one.name, one.key("µm")}
        assert any(re.search(rf'\b{name}\b["=:]', source) for name in names), one.name


def test_every_map_is_made(scans):
    made = {name for results in scans.values() for result in results for name in result.maps}
    assert set(table.MAPS) <= made


def test_no_title_twice():
    titles = [one.title.casefold() for kind, one in ALL if kind != "event value"]
    assert sorted({title for title in titles if titles.count(title) > 1}) == []


@pytest.mark.parametrize(("kind", "one"), ALL, ids=lambda one: getattr(one, "name", one))
def test_an_entry_is_whole_and_its_help_is_plain(kind, one):
    assert not one.help[0].islower() or one.help[1] in "( =", one.help
    assert one.help.endswith(".") and one.help.count(". ") < 3
    words = f"{one.title} {one.help}".lower()
    assert [bad for bad in BAD if re.search(rf"\b{bad}\b", words)] == []
    assert set(one.needs) <= set(NEEDS)
    if one.error:
        assert one.error in KINDS[kind]
    if not one.unit and one.form != "text":
        assert one.units("µm") == unit_in_name(one.name)
    assert (one.digits is None) == (one.form == "count" or one.name == "refine_memory_MB")


def test_the_table_needs_the_standard_library_alone():
    for path in (ROOT / "monitor" / "quantities").glob("*.py"):
        for name in re.findall(r"^(?:from|import) (\S+)", path.read_text("utf-8"), re.MULTILINE):
            is_own = name.startswith("monitor.quantities")
            assert is_own or name.partition(".")[0] in sys.stdlib_module_names, f"{path}: {name}"


def test_every_rule_has_what_it_judges():
    assert set(rules._RULES) == set(table.FINDINGS)
    titles = [one.title for one in table.FINDINGS.values()]
    assert len(titles) == len(set(titles))


def test_titles_are_the_terms_of_the_field():
    for name in table.CURRENT_MAPS:
        assert "current density" in table.MAPS[name].title
    assert table.SCALARS["charge_mAh_cm2"].unit_text("µm") == "mAh/cm²"
    assert table.PIT_COLUMNS["volume"].unit_text("voxel") == "voxel³"
    assert table.SCALARS["pit_density_mm2"].unit_text("µm") == "mm⁻²"


def test_units_of_unknown_keys_are_those_in_their_names():
    assert table.recorded_units("some_new_um3") == "µm3"
    assert table.recorded_units("some_new") == "1"
    assert table.recorded_units("pit_depth_growth") == "1"  # as in all recordings so far
    assert table.recorded_units("averaged_voxel") == "voxel"


def test_names_for_other_programs_end_in_their_unit() -> None:
    wanted = {
        "height": "height_um",
        "cumulative": "cumulative_mA_cm2",
        "pit_labels": "pit_labels",
    }
    for name, column in wanted.items():
        assert KINDS["map"][name].column("µm") == column
    assert table.SCALARS["j_p99"].column("voxel") == "j_p99_mA_cm2"
    assert table.SCALARS["pit_depth_growth"].column("voxel") == "pit_depth_growth_voxel_cm2_mAh"
    assert table.SCALARS["time"].column("µm") == "time_s"
    assert table.SCALARS["charge_mAh"].column("µm") == "charge_mAh"
    for kind in ("scalar", "map", "pit column"):
        for unit in ("µm", "voxel"):
            names = [one.column(unit) for one in KINDS[kind].values()]
            assert len(set(names)) == len(names)
            assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)
