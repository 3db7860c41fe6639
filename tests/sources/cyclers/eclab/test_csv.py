"""EC-Lab's export as CSV: the same real measurements with other separators, told from BDF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.sources.cyclers.eclab import mpt
from monitor.sources.cyclers.readers import reader_of
from monitor.sources.cyclers.table import COLUMNS
from tests.sources.cyclers.whole import read_cycler
from tests.sources.samples import sample


@pytest.mark.parametrize("separator", [b",", b";"])
@pytest.mark.parametrize("name", ["tiny", "short_header", "no_header"])
def test_a_csv_has_the_readings_of_its_mpt(tmp_path: Path, name: str, separator: bytes) -> None:
    source = sample(f"eclab/{name}.mpt")
    path = tmp_path / "cell.csv"
    path.write_bytes(source.read_bytes().replace(b"\t", separator))
    assert reader_of(path) is mpt
    wanted, found = read_cycler(source), read_cycler(path)
    assert len(found) == len(wanted) > 0 and found.start_time == wanted.start_time
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(found, column), getattr(wanted, column))
