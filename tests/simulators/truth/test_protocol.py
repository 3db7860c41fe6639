import pytest

from simulators.truth.protocol import CellTime, Program, Step

STEPS = (
    Step("discharge", 0.5, 1.0),
    Step("rest", rest_s=600.0),
    Step("charge", 1.0, 0.25),
    Step("discharge", 2.0, 0.5),
)
PROGRAM = Program(STEPS, 1000.0)


@pytest.mark.parametrize(
    ("time", "kind", "number", "cycle", "stripped"),
    [
        (0.0, "rest", 0, 1, 0.0),
        (1000.0, "discharge", 1, 1, 0.0),
        (4600.0, "discharge", 1, 1, 0.5),
        (8200.0, "rest", 2, 1, 1.0),
        (9250.0, "charge", 3, 1, 0.875),
        (9700.0, "discharge", 4, 2, 0.75),
        (10600.0, "rest", 5, 2, 1.25),
    ],
)
def test_program_at(time, kind, number, cycle, stripped):
    here = PROGRAM.at(time)
    assert (here.step.kind, here.number, here.cycle) == (kind, number, cycle)
    assert here.stripped_mAh_cm2 == pytest.approx(stripped)


def test_end_of_the_program():
    assert PROGRAM.end == pytest.approx(1000.0 + 7200.0 + 600.0 + 900.0 + 900.0)


def test_parts_between_two_times_add_up_to_the_charge():
    parts = PROGRAM.between(500.0, 9250.0)
    assert [number for _, number, _ in parts] == [0, 1, 2, 3]
    assert sum(charge for *_, charge in parts) == pytest.approx(0.875)


def test_cell_time_does_not_run_back():
    time = CellTime(5.0)
    time.reach(3.0)
    assert time.now == 5.0
    time.reach(7.0)
    assert time.now == 7.0
