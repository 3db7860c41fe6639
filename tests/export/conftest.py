"""Recordings that no test changes, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.made_up import record


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells of three scans; the first has readings."""
    return record(tmp_path_factory.mktemp("runs"), "A", "B")


@pytest.fixture(scope="session")
def in_voxels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scan, its voxel size unknown."""
    return record(tmp_path_factory.mktemp("voxels"), scans=1, voxel_um=None)
