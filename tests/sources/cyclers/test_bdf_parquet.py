"""Battery Data Format as Parquet, written by its own library."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.cyclers import bdf_parquet
from monitor.sources.cyclers.readers import reader_of
from tests.sources.cyclers.bdf_files import frame, save
from tests.sources.cyclers.test_bdf import check
from tests.sources.cyclers.whole import read_cycler


@pytest.mark.parametrize("human", [True, False], ids=["labels", "machine names"])
def test_what_its_own_library_writes(tmp_path: Path, human: bool) -> None:
    path = save(frame(), tmp_path / "cell.bdf.parquet", human=human)
    assert reader_of(path) is bdf_parquet
    check(read_cycler(path), frame())


def test_what_is_not_there_is_nan_and_text_is_told(tmp_path: Path) -> None:
    table = frame()
    table.loc[2, "Current / A"] = np.nan
    table.loc[3, "Voltage / V"] = np.inf
    table["Step ID"] = "charge"
    found = read_cycler(save(table, tmp_path / "cell.parquet"))
    assert np.isnan(found.current_mA[2]) and np.isnan(found.potential_V[3])
    assert np.isnan(found.step).all() and len(found) == 12
    assert found.notes == (f"{tmp_path}/cell.parquet: column Step ID holds no numbers: left out",)


def test_a_file_that_is_written_again_with_more_is_followed(tmp_path: Path) -> None:
    path = save(frame(5), tmp_path / "cell.parquet")
    look = bdf_parquet.follow(path)
    assert len(look(False)) == 5
    save(frame(12), path)
    more = look(True)
    np.testing.assert_allclose(more.time_s, frame()["Test Time / s"][5:])


def test_a_damaged_file_and_another_table_are_named(tmp_path: Path) -> None:
    path = save(frame(), tmp_path / "cell.parquet")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        read_cycler(path)
    save(frame().drop(columns="Voltage / V"), path)
    with pytest.raises(SourceError, match="has no column Voltage / V"):
        read_cycler(path)
    frame().assign(current_ampere=0.0).to_parquet(path)
    with pytest.raises(SourceError, match="has several columns Current / A, expected one"):
        read_cycler(path)


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(frame(), tmp_path / "cell.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingSoftware, match=r"pip install 'pitwatch\[parquet\]'"):
        read_cycler(path)
