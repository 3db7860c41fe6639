"""What the program is made of: every import is declared, every declared package is installed as
declared, and all that comes with it may be passed on. No network is asked."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OURS = {"launch", "monitor", "simulators", "tests"}
PROGRAM = [
    ROOT / "launch.py",
    *(ROOT / "monitor").rglob("*.py"),
    *(ROOT / "simulators").rglob("*.py"),
]
TESTS = list((ROOT / "tests").rglob("*.py"))
DOCS = list((ROOT / "docs").rglob("*.py"))
OTHER_NAMES = {
    "yaml": "pyyaml",
    "zmq": "pyzmq",
    "pyside6": "pyside6-essentials",
    "opengl": "pyopengl",
    "skimage": "scikit-image",
    "pil": "pillow",
    "dectris": "dectris-compression",
    "galvani": "datalab-org-galvani",
    "pytestqt": "pytest-qt",
    "bdf": "batterydf",
    "vtkmodules": "vtk",
}
"""Modules that are called otherwise than their package."""
NOT_IMPORTED = {
    "cryptography": "distributed makes the keys of the cluster of `reprocess` with it",
}
PERMISSIVE = re.compile(
    r"\b(0?BSD|MIT|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|HPND|Unlicense)",
    re.IGNORECASE,
)
COPYLEFT = re.compile(
    r"GPL|Affero|MPL|EUPL|CDDL|\bEPL\b|SSPL|Commons Clause|propriet", re.IGNORECASE
)
LOOKED_AT = {
    "pyside6-essentials": "LGPL-3.0: a library of its own, that can be replaced",
    "shiboken6": "LGPL-3.0: part of PySide6",
    "tqdm": "MPL-2.0 and MIT: unchanged, a library of its own",
    "hdf5plugin": "MIT and BSD: in its files, not in its metadata",
    "certifi": "MPL-2.0: unchanged, a file of certificates that Tiled's client needs",
    "orjson": "MPL-2.0 and MIT: unchanged, a library of its own that Tiled's client needs",
    "historydict": "BSD-3-Clause: in its repository, not in its metadata",
}
"""Packages whose metadata say something else, or nothing."""


def imported(files: Iterable[Path]) -> dict[str, Path]:
    """Packages of others that are imported anywhere, also within functions, with one place."""
    found: dict[str, Path] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(module), level=0):
                    names = [module]
                case _:
                    continue
            for name in names:
                top = name.partition(".")[0]
                if top not in OURS and top not in sys.stdlib_module_names:
                    found.setdefault(package_of(top), file)
    return found


def package_of(module: str) -> str:
    return OTHER_NAMES.get(module.lower(), canonicalize_name(module))


def declared(*extras: str) -> set[str]:
    texts = PROJECT["dependencies"] + [text for extra in extras for text in EXTRAS[extra]]
    return {canonicalize_name(Requirement(text).name) for text in texts}


@pytest.mark.parametrize(
    ("files", "extras"),
    [
        (
            PROGRAM,
            (
                "bliss",
                "epics",
                "ewoks",
                "export",
                "mpr",
                "parquet",
                "reprocess",
                "tiff",
                "tiled",
            ),
        ),
        (TESTS, ("test", "tiff", "mpr")),
        (DOCS, ("docs", "epics", "test")),
    ],
    ids=["program", "tests", "docs"],
)
def test_every_import_is_declared(files: list[Path], extras: tuple[str, ...]) -> None:
    found = imported(files)
    undeclared = found.keys() - declared(*extras)
    assert {name: str(found[name].relative_to(ROOT)) for name in undeclared} == {}


def test_every_declared_package_is_imported() -> None:
    wanted = declared("bliss", "epics", "export", "parquet", "reprocess", "tiled")
    assert wanted - imported(PROGRAM).keys() == NOT_IMPORTED.keys()


def closure() -> Iterator[tuple[Requirement, metadata.Distribution]]:
    """The packages of the program, and all that they need here."""
    extras = ("bliss", "epics", "export", "parquet", "reprocess", "tiled")
    texts = PROJECT["dependencies"] + [text for extra in extras for text in EXTRAS[extra]]
    waiting = [(Requirement(text), "") for text in texts]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        found = metadata.distribution(wanted.name)
        yield wanted, found
        for asked in ("", *wanted.extras):
            if (key := (canonicalize_name(wanted.name), asked)) not in seen:
                seen.add(key)
                waiting += [(Requirement(text), asked) for text in found.requires or ()]


def test_all_are_installed_as_declared() -> None:
    """As `pip check` for the program alone."""
    wrong = [
        f"{wanted} is {found.version}"
        for wanted, found in closure()
        if not wanted.specifier.contains(found.version, prereleases=True)
    ]
    assert wrong == []


def licence(package: metadata.Distribution) -> str:
    said = package.metadata
    classifiers = said.get_all("Classifier") or []
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    first = (said.get("License") or "").strip().splitlines()[:1]
    return said.get("License-Expression") or "; ".join(named) or "".join(first)


def test_all_may_be_passed_on() -> None:
    packages = {canonicalize_name(d.metadata["Name"]): d for _, d in closure()}
    assert len(packages) > 50
    said = {name: licence(package) for name, package in packages.items()}
    odd = {
        name: text
        for name, text in said.items()
        if not PERMISSIVE.search(text) or COPYLEFT.search(text)
    }
    assert {name: text for name, text in odd.items() if name not in LOOKED_AT} == {}
    assert "pyside6-essentials" in odd, "this test can tell"


def test_copyleft_is_never_needed() -> None:
    """A reader under the GPL is an extra, run in a process of its own."""
    reader = "datalab-org-galvani"
    assert reader not in declared() and reader in declared("mpr")
    assert imported(PROGRAM)[reader].name == "galvani_process.py"
    assert "blissdata" in declared("test") and "blissdata" not in imported(PROGRAM)


CONDA_NAMES = {
    "isal": "python-isal",
    "matplotlib": "matplotlib-base",
    "msgpack": "msgpack-python",
    "pyside6-essentials": "pyside6",
}


def test_the_conda_recipe_asks_for_the_same() -> None:
    recipe = yaml.safe_load((ROOT / "config" / "conda" / "recipe.yaml").read_text("utf-8"))
    wanted = {f"python {PROJECT['requires-python']}"}
    for line in map(Requirement, PROJECT["dependencies"]):
        least = min(str(part) for part in line.specifier if part.operator == ">=")
        wanted.add(f"{CONDA_NAMES.get(line.name, line.name)} {least}")
    assert set(recipe["requirements"]["run"]) == wanted
    assert recipe["context"]["version"] == PROJECT["version"]
    scripts = [f"{name} = {where}" for name, where in PROJECT["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts


def test_the_container_is_built_from_what_is_there() -> None:
    lines = (ROOT / "Containerfile").read_text("utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
