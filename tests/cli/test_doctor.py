"""What `doctor` says of the readers of files that others wrote."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from io import StringIO
from typing import Any

import pytest

from monitor.cli import doctor
from monitor.cli.output import Messages
from monitor.sources.cyclers.eclab import mpr


def printed() -> str:
    console = Messages(file=StringIO(), width=200)
    doctor.examine(console)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["imagecodecs", "galvani", "pyarrow", "distributed", "meshio", "redis", "zarr"]
)
def test_a_missing_reader_names_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.importlib.import_module

    def without(wanted: str) -> Any:
        if wanted == name:
            raise ImportError(f"No module named '{name}'")
        return real(wanted)

    monkeypatch.setattr(doctor.importlib, "import_module", without)
    extras = {"imagecodecs": "tiff", "galvani": "mpr", "pyarrow": "parquet"}
    extras |= {"distributed": "reprocess", "redis": "bliss"}
    extra = extras.get(name, "export")
    (line,) = [line for line in printed().splitlines() if f" {name} " in line]
    assert f"pip install 'pitwatch[{extra}]'" in line and "missing" not in line


@pytest.mark.parametrize(("found", "ok"), [("0.6.0", True), ("0.10.1", True), ("0.5.2", False)])
def test_an_old_reader_is_not_enough(found: str, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda _name: found)
    assert doctor._reader(mpr.FORMAT.software).ok == ok


def test_a_reader_of_the_same_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(doctor, "version", missing)
    finding = doctor._reader(mpr.FORMAT.software)
    assert not finding.ok and "EC-Lab 11.50" in finding.todo


def test_the_first_line_says_ready_or_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [doctor.Finding("numpy", True, "2.0"), doctor.Finding("x", False, "", "y", False)]
    monkeypatch.setattr(doctor, "look", lambda: iter(findings))
    assert printed().splitlines()[0].strip() == "ready"
    findings.append(doctor.Finding("libGL.so.1", False, "not found", "apt-get install libgl1"))
    findings.append(doctor.Finding("h5py", False, "no module", "pip install ."))
    first = printed().splitlines()[0].strip()
    assert first == "not ready: libGL.so.1, h5py missing; apt-get install libgl1; pip install ."
