"""The wheel, installed into an environment of its own, runs anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from monitor import settings
from tests.system.running import PATIENCE_S, ROOT

COPIED = ("monitor", "simulators", "config", "docs", "pyproject.toml", "README.md", "LICENSE")


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel and the dependencies of the tests."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for name in COPIED:  # a build writes beside the sources
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source))
    (wheel,) = folder.glob("pitwatch-*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    pip("--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel))
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program / "pitwatch"), *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip


def test_the_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "--version", folder=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("pitwatch 0.")


@pytest.mark.parametrize("name", ["id15a", "simulated"])
def test_a_configuration_to_start_from_is_in_the_wheel(
    name: str, installed: Path, tmp_path: Path
) -> None:
    done = run(installed, "config", name, folder=tmp_path)
    assert done.stdout == (ROOT / "config" / f"{name}.toml").read_text("utf-8")
    (path := tmp_path / "my.toml").write_text(done.stdout, "utf-8")
    assert settings.load(path) == settings.load(ROOT / "config" / f"{name}.toml")


def test_an_unknown_configuration_is_one_line(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "config", "id99", folder=tmp_path)
    assert done.returncode == 2 and "one of id15a, simulated" in done.stderr


def test_the_guide_and_the_desktop_entry_are_in_the_wheel(installed: Path) -> None:
    share = installed.parent / "share"
    carried, docs = share / "pitwatch" / "docs", ROOT / "docs"
    pages = {str(page.relative_to(carried)) for page in carried.rglob("*.md")}
    assert "how-to/index.md" in pages
    assert pages == {
        str(page.relative_to(docs))
        for page in docs.rglob("*.md")
        if page.parent.name != "developer"
    }
    assert list((share / "pitwatch" / "docs" / "images").glob("*.png"))
    entry = (share / "applications" / "pitwatch.desktop").read_text("utf-8")
    icon = next(line[5:] for line in entry.splitlines() if line.startswith("Icon="))
    assert (share / "icons" / "hicolor" / "scalable" / "apps" / f"{icon}.svg").is_file()


def test_a_folder_of_the_user_is_not_taken_for_ours(installed: Path, tmp_path: Path) -> None:
    for name in ("monitor", "simulators", "config"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')\n")
    (tmp_path / "launch.py").write_text("raise SystemExit('not ours')\n")
    done = run(installed, "config", folder=tmp_path)
    assert done.stdout.split() == ["id15a", "simulated"], done.stderr
    told = "import json; from monitor.program import command; print(json.dumps(command('config')))"
    python = [str(installed / "python"), "-P", "-c", told]
    line = subprocess.check_output(python, cwd=tmp_path, env=environment(), text=True)
    started = subprocess.run(json.loads(line), cwd=tmp_path, env=environment(), capture_output=True)
    assert started.stdout.split() == [b"id15a", b"simulated"], started.stderr
