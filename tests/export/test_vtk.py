"""Surfaces, read by VTK itself, as ParaView does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from monitor.export import vtk
from tests.export.made_up import SHAPE, UNMEASURED, VOXEL_UM, export, recorded


class Surface:
    """`points` (n, 3), `data` (n,) by name, `quads` (m, 4): numbers of their corners."""

    def __init__(self, path: Path) -> None:
        reader = vtkXMLUnstructuredGridReader()
        reader.SetFileName(str(path))
        reader.Update()
        grid = reader.GetOutput()
        self.points: NDArray[Any] = vtk_to_numpy(grid.GetPoints().GetData())
        of_points = grid.GetPointData()
        self.data = {
            of_points.GetArrayName(n): vtk_to_numpy(of_points.GetArray(n)).ravel()
            for n in range(of_points.GetNumberOfArrays())
        }
        cells = grid.GetCells()
        self.quads = vtk_to_numpy(cells.GetConnectivityArray()).reshape(-1, 4)
        assert len(self.quads) == grid.GetNumberOfCells()


def test_the_surface_is_where_heights_are_measured(recording: Path, tmp_path: Path) -> None:
    surface = Surface(export(recording, "vtk", tmp_path / "out") / "A" / "scan_0001.vtu")
    scan = recorded(recording)[1]
    height, labels = scan.map("height"), scan.map("pit_labels")
    assert height is not None and labels is not None
    rows, columns = np.nonzero(np.isfinite(height))
    np.testing.assert_array_equal(surface.points[:, 0], columns * VOXEL_UM[2])
    np.testing.assert_array_equal(surface.points[:, 1], rows * VOXEL_UM[1])
    np.testing.assert_array_equal(surface.points[:, 2], height[rows, columns])
    np.testing.assert_array_equal(surface.data["height_um"], height[rows, columns])
    np.testing.assert_array_equal(surface.data["pit_labels"], labels[rows, columns])
    assert {"removal_um", "cumulative_mA_cm2", "running_error_mA_cm2"} <= set(surface.data)


def test_each_quad_is_one_pixel_wide_and_faces_up(recording: Path, tmp_path: Path) -> None:
    surface = Surface(export(recording, "vtk", tmp_path / "out") / "A" / "scan_0000.vtu")
    corners = surface.points[surface.quads]
    hole = UNMEASURED[0].stop - UNMEASURED[0].start, UNMEASURED[1].stop - UNMEASURED[1].start
    assert len(corners) == (SHAPE[0] - 1) * (SHAPE[1] - 1) - (hole[0] + 1) * (hole[1] + 1)
    x, y = corners[..., 0], corners[..., 1]
    # the shoelace formula: positive if the corners turn counter-clockwise, seen from above
    area = 0.5 * (x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)
    np.testing.assert_allclose(area, VOXEL_UM[1] * VOXEL_UM[2])


def test_the_series_has_hours_since_the_first_scan(recording: Path, tmp_path: Path) -> None:
    out = export(recording, "vtk", tmp_path / "out", scans="1-2")
    sets = ElementTree.parse(out / "A.pvd").getroot().findall("Collection/DataSet")
    assert [float(one.attrib["timestep"]) for one in sets] == [0.0, 1.0]
    assert [(out / one.attrib["file"]).name for one in sets] == ["scan_0001.vtu", "scan_0002.vtu"]
    assert all((out / one.attrib["file"]).is_file() for one in sets)


def test_lengths_are_in_voxels_if_their_size_is_unknown(in_voxels: Path, tmp_path: Path) -> None:
    out = export(in_voxels, "vtk", tmp_path / "out")
    surface = Surface(out / "A" / "scan_0000.vtu")
    assert "height_voxel" in surface.data and "height_um" not in surface.data
    assert surface.points[:, 0].max() == SHAPE[1] - 1


@pytest.mark.parametrize("measured", [0, 1])
def test_a_scan_without_heights_is_an_empty_surface(tmp_path: Path, measured: int) -> None:
    """It is nothing damaged, and the series names its file."""
    height = np.full(SHAPE, np.nan, np.float32)
    height.flat[:measured] = 3.0
    scan: Any = SimpleNamespace(
        map=lambda _: height, maps=lambda: {"height_um": vtk.HEIGHT}, voxel_size=VOXEL_UM
    )
    vtk._surface(tmp_path / "scan.vtu", scan=scan)
    surface = Surface(tmp_path / "scan.vtu")
    assert len(surface.points) == measured and len(surface.quads) == 0
