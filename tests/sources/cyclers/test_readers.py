"""Real EC-Lab files against independent truth: the same data in text and binary, and a peer."""

from __future__ import annotations

import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import MissingSoftware, SourceError
from monitor.sources.cyclers.eclab import mpr
from monitor.sources.cyclers.readers import follow
from monitor.sources.cyclers.table import CyclerTable, after
from tests.sources.cyclers.eclab.mpt_files import mpt_text
from tests.sources.cyclers.whole import read_cycler
from tests.sources.samples import sample


@pytest.mark.parametrize("name", ["tiny", "decimal_comma", "short_header"])
def test_text_and_binary_of_one_measurement_agree(name: str) -> None:
    pytest.importorskip("galvani", reason="the extra 'mpr' is not installed")
    text = read_cycler(sample(f"eclab/{name}.mpt"))
    binary = read_cycler(sample(f"eclab/{name}.mpr"))
    assert len(text) == len(binary) > 0
    np.testing.assert_allclose(text.time_s, binary.time_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(text.potential_V, binary.potential_V, rtol=0, atol=1e-7)
    np.testing.assert_allclose(text.charge_mAh, binary.charge_mAh, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(text.step, binary.step)
    np.testing.assert_array_equal(text.cycle, binary.cycle)
    assert text.start_time == binary.start_time
    # The binary files carry no current: theirs is derived, the text's was written by EC-Lab.
    assert np.isnan(binary.current_mA[0])
    np.testing.assert_allclose(text.current_mA[1:], binary.current_mA[1:], rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["tiny", "decimal_comma", "short_header", "no_header"])
@pytest.mark.slow
def test_text_agrees_with_a_peer_reader(name: str) -> None:
    bdf = pytest.importorskip("bdf", reason="batterydf is not installed")
    path = sample(f"eclab/{name}.mpt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peer's own deprecations
        theirs = bdf.read(path)
    ours = read_cycler(path)
    np.testing.assert_allclose(ours.time_s, theirs["Test Time / s"])
    np.testing.assert_allclose(ours.potential_V, theirs["Voltage / V"])
    np.testing.assert_allclose(ours.current_mA, 1000.0 * theirs["Current / A"], atol=1e-15)
    np.testing.assert_array_equal(ours.cycle, theirs["Cycle Count / 1"])


def test_lithium_symmetric_cell() -> None:
    pytest.importorskip("galvani", reason="the extra 'mpr' is not installed")
    table = read_cycler(sample("eclab/li_li_tegdme_gcpl.mpr"))
    assert len(table) == 109
    assert table.start_time == 1691757615.0  # 2023-08-11 12:40:15
    charging = table.step == 1
    np.testing.assert_allclose(table.current_mA[charging][1:], 0.4, rtol=2e-2)
    # Charge is conserved: the derived current, integrated, gives back what the cycler counted.
    moved = np.nansum(table.current_mA[1:] * np.diff(table.time_s)) / 3600.0
    assert moved == pytest.approx(table.charge_mAh[-1] - table.charge_mAh[0], rel=1e-9)


def test_open_circuit_has_no_current_and_no_charge() -> None:
    table = read_cycler(sample("eclab/ocv.mpt"))
    assert len(table) == 602
    assert np.isnan(table.current_mA).all() and np.isnan(table.charge_mAh).all()
    assert table.potential_V[-1] == pytest.approx(0.44194466)


def test_text_without_header_has_no_start_time() -> None:
    table = read_cycler(sample("eclab/no_header.mpt"))
    assert (len(table), table.start_time, table.start_time_assumed_utc) == (13, None, False)


def test_a_growing_file_is_followed(tmp_path: Path) -> None:
    path, stop = tmp_path / "growing.mpt", threading.Event()
    data = mpt_text(rows=6)
    cut = len(data) - 40  # in the middle of the last line
    path.write_bytes(data[:cut])
    tables = follow(path, stop=stop, poll_s=0.01)
    assert len(next(tables)) == 5
    with path.open("ab") as file:
        file.write(data[cut:] + mpt_text(rows=2, first_row=6, header=None).split(b"\n", 1)[1])
    later = next(tables)
    np.testing.assert_allclose(later.time_s, [50.0, 60.0, 70.0])
    assert later.start_time is not None
    stop.set()
    assert list(tables) == []


def test_the_last_look_takes_what_came_but_no_half_line(tmp_path: Path) -> None:
    path, stop = tmp_path / "growing.mpt", threading.Event()
    data = mpt_text(rows=6)
    cut = len(data) - 3  # all fields of the last line are there, the end of the last may not be
    path.write_bytes(data[:cut])
    tables = follow(path, stop=stop, poll_s=0.01)
    assert len(next(tables)) == 5
    stop.set()
    assert [len(table) for table in tables] == [1], "the file has not grown: it is complete"

    stop.clear()
    path.write_bytes(mpt_text(rows=3))
    tables = follow(path, stop=stop, poll_s=0.01)
    next(tables)
    path.write_bytes(data[:cut])
    stop.set()
    assert [len(table) for table in tables] == [2]


def test_a_growing_binary_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stop = tmp_path / "growing.mpr", threading.Event()
    path.write_bytes(mpr.MAGIC)
    whole = tmp_path / "whole.mpt"
    whole.write_bytes(mpt_text(rows=6))
    table, counts, calls = read_cycler(whole), [4, None, 6], []

    def read(*_: object) -> CyclerTable:
        calls.append(counts.pop(0))
        if calls[-1] is None:
            raise SourceError("half written")
        return after(table, 6 - calls[-1])

    monkeypatch.setattr(mpr, "read", read)
    tables = follow(path, stop=stop, poll_s=0.001)
    assert len(next(tables)) == 4
    path.write_bytes(mpr.MAGIC * 2)
    assert len(next(tables)) == 2
    stop.set()
    assert list(tables) == [] and calls == [4, None, 6], "read only where it has changed"


def test_a_followed_file_that_shrinks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "growing.mpt"
    path.write_bytes(mpt_text(rows=6))
    tables = follow(path, stop=threading.Event(), poll_s=0.01)
    next(tables)
    path.write_bytes(mpt_text(rows=1))
    with pytest.raises(SourceError, match="became shorter"):
        next(tables)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_cycler(tmp_path / "none.mpt")


def test_a_spoilt_binary_file_is_said(tmp_path: Path) -> None:
    pytest.importorskip("galvani", reason="the extra 'mpr' is not installed")
    path = tmp_path / "spoilt.mpr"
    path.write_bytes(mpr.MAGIC + bytes(200))
    with pytest.raises(SourceError, match=r"cannot be read as \.mpr"):
        read_cycler(path)


def test_a_missing_reader_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "hidden" / "galvani"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden.parent))
    path = tmp_path / "any.mpr"
    path.write_bytes(mpr.MAGIC)
    with pytest.raises(MissingSoftware, match="pip install datalab-org-galvani"):
        read_cycler(path)


def test_the_reader_never_comes_into_this_process() -> None:
    pytest.importorskip("galvani", reason="the extra 'mpr' is not installed")
    sys.modules.pop("galvani", None)
    sys.modules.pop("galvani.BioLogic", None)
    read_cycler(sample("eclab/tiny.mpr"))
    assert "galvani" not in sys.modules
