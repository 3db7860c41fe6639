"""Which channels of a scan are published: by their names, units, chains and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from monitor.errors import SourceError
from monitor.sources.bliss.counters import CounterNames, Quantity, choose
from monitor.sources.bliss.scan import BlissScan, parse_scan

UNITS = {"timer:epoch": "s", "timer:elapsed_time": "s", "vmp:I": "A", "vmp:Q": "C", "other:Q": "C"}


def stream(unit: str | None = None, dtype: str = "<f8", shape: tuple[int, ...] = ()) -> Any:
    encoding = {"type": "numeric", "dtype_str": dtype, "shape": list(shape)}
    return {"pk": "01", "encoding": encoding, "info": {"unit": unit} if unit else {}}


def scan(
    units: Mapping[str, str | None], info: Mapping[str, Any] | None = None, **streams: Any
) -> BlissScan:
    """`streams`: channels of the controller `card`."""
    return parse_scan(
        "esrf:scan:1",
        {
            "id": {"name": "timescan", "number": 4},
            "info": {"title": "timescan 1", **(info or {})},
            "state_stream": {"pk": "00"},
            "data_streams": {name: stream(unit) for name, unit in units.items()}
            | {f"card:{name}": one for name, one in streams.items()},
        },
    )


def current(name: str, **more: Any) -> CounterNames:
    return CounterNames({"current_mA": name}, **more)


@pytest.mark.parametrize(
    ("quantity", "unit", "factor"),
    [
        ("current_mA", "A", 1000.0),
        ("current_mA", "mA", 1.0),
        ("current_mA", "µA", 0.001),
        ("current_mA", "nA", 1e-6),
        ("potential_V", "mV", 0.001),
        ("charge_mAh", "C", 1 / 3.6),
        ("charge_mAh", "A·h", 1000.0),
        ("charge_mAh", "mA.h", 1.0),
        ("charge_mAh", "mA h", 1.0),
        ("cycle", "anything", 1.0),
    ],
)
def test_units_are_converted(quantity: Quantity, unit: str, factor: float) -> None:
    choice, notes = choose(
        scan({"timer:epoch": "s", "vmp:X": unit}), CounterNames({quantity: "vmp:X"})
    )
    assert choice is not None and notes == []
    assert choice.columns[0].factor == pytest.approx(factor, rel=1e-15)


def test_a_unit_that_is_none_of_the_quantity_is_refused() -> None:
    choice, notes = choose(scan({"timer:epoch": "s", "vmp:I": "Hz"}), current("I"))
    assert choice is None
    assert notes == ["counter I is in Hz, expected A, mA, uA, nA; it is not published"]


def test_a_missing_unit_is_assumed_and_said() -> None:
    choice, notes = choose(scan({"timer:epoch": "s", "vmp:I": None}), current("I"))
    assert choice is not None and choice.columns[0].factor == 1.0
    assert notes == ["counter vmp:I has no unit: it is taken to be mA"]


def test_the_unit_in_the_description_of_the_scan_counts() -> None:
    described = scan({"timer:epoch": "s", "vmp:I": "A"}, {"channels": {"vmp:I": {"unit": "mA"}}})
    choice, _ = choose(described, current("I"))
    assert choice is not None and choice.columns[0].factor == 1.0


def test_a_name_of_two_counters_is_refused() -> None:
    names = CounterNames({"current_mA": "I", "charge_mAh": "Q"})
    choice, notes = choose(scan(UNITS), names)
    assert choice is not None and [one.key for one in choice.columns] == ["vmp_current"]
    assert notes == [
        "counter Q is the name of vmp:Q, other:Q: give the whole name of one; it is not published"
    ]


def test_a_counter_that_is_missing_is_named_with_those_that_are_there() -> None:
    choice, notes = choose(scan(UNITS), CounterNames({"current_mA": "I"}, ("srcur",)))
    assert choice is not None
    assert notes == [
        "no counter srcur; there are timer:epoch, timer:elapsed_time, vmp:I, vmp:Q, other:Q; "
        "correct the name"
    ]


def test_the_times_are_those_of_the_epoch() -> None:
    choice, _ = choose(scan(UNITS | {"mcs:epoch_trig": "s"}), current("I"))
    assert choice is not None and choice.time.name == "timer:epoch"
    trig, _ = choose(scan({"mcs:epoch_trig": "s", "vmp:I": "A"}), current("I"))
    assert trig is not None and trig.time.name == "mcs:epoch_trig"
    named, _ = choose(scan(UNITS), current("I", time="elapsed_time"))
    assert named is not None and named.time.name == "timer:elapsed_time"
    choice, notes = choose(scan({"vmp:I": "A"}), current("I"))
    assert choice is None and "--time" in notes[0]
    choice, notes = choose(scan(UNITS), current("I", time="clock"))
    assert (choice, notes) == (None, ["no counter clock for the times; correct --time"])


def test_a_counter_of_another_chain_is_refused() -> None:
    info = {
        "acquisition_chain": {"fast": {"top_master": "t"}, "slow": {"top_master": "s"}},
        "devices": {
            "t": {"channels": ["timer:epoch"], "triggered_devices": ["v", "t"]},
            "v": {"channels": ["vmp:I"]},
            "s": {"channels": ["vmp:Q", "slow:epoch"]},
        },
    }
    units = {"slow:epoch": "s", "timer:epoch": "s", "vmp:I": "A", "vmp:Q": "C"}
    names = CounterNames({"current_mA": "I", "charge_mAh": "Q"})
    choice, notes = choose(scan(units, info), names)
    assert choice is not None and choice.time.name == "timer:epoch"
    assert [one.key for one in choice.columns] == ["vmp_current"]
    assert notes == [
        "counter Q is measured at other points than vmp:I; it is not published: start another "
        "publish-bliss for it"
    ]
    slow, _ = choose(scan(units, info), CounterNames({"charge_mAh": "Q"}))
    assert slow is not None and slow.time.name == "slow:epoch"


@pytest.mark.parametrize(
    "odd", [stream(shape=(16,)), stream(dtype="<c16"), {"pk": "1", "encoding": {}, "info": {}}]
)
def test_what_is_no_number_at_each_point_is_refused(odd: Any) -> None:
    choice, notes = choose(scan({"timer:epoch": "s"}, mca=odd), CounterNames({}, ("card:mca",)))
    assert choice is None
    assert notes == ["counter card:mca has no single number at each point; it is not published"]


def test_a_scan_without_any_of_the_names_is_not_meant() -> None:
    assert choose(scan(UNITS), current("vmp:J")) == (None, [])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"id": {"number": 1}},
        {"id": {"number": "x"}, "data_streams": {}, "state_stream": {"pk": "1"}},
        {"id": {"number": 1}, "data_streams": {"a": 1}, "state_stream": {"pk": "1"}},
        {"id": {"number": 1}, "data_streams": {"a": stream(dtype="what")}, "state_stream": {}},
    ],
)
def test_what_is_no_scan_is_said_in_one_line(document: Any) -> None:
    with pytest.raises(SourceError, match="the description of esrf:scan:1 cannot be read"):
        parse_scan("esrf:scan:1", document)
