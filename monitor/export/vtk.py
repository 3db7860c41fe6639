"""Surfaces for ParaView: the measured heights of each scan as a mesh, its maps as data of the
points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from monitor.export.recorded import Output, RecordedCell, RecordedScan
from monitor.quantities.table import MAPS
from monitor.sources.formats import Software

SOFTWARE = Software("meshio", "`export --to vtk`", "export")
HEIGHT = MAPS["height"]


def outputs(cells: Sequence[RecordedCell]) -> list[Output]:
    wanted = []
    for cell in cells:
        scans = [scan for scan in cell.scans if HEIGHT.name in scan.result.maps]
        paths = [Path(cell.name, f"{scan.name}.vtu") for scan in scans]
        wanted += [
            Output(path, partial(_surface, scan=scan))
            for path, scan in zip(paths, scans, strict=True)
        ]
        if scans:
            first = scans[0].result.start.start_time
            hours = [(scan.result.start.start_time - first) / 3600 for scan in scans]
            series = partial(_series, surfaces=list(zip(hours, paths, strict=True)))
            wanted.append(Output(Path(f"{cell.name}.pvd"), series))
    return wanted


def _surface(path: Path, *, scan: RecordedScan) -> None:
    """A quad between four neighbouring pixels, if all are measured; none in a scan without
    heights, so that it keeps its place in the series."""
    import meshio

    height = scan.map(HEIGHT)
    measured = np.isfinite(height)
    whole = measured[:-1, :-1] & measured[:-1, 1:] & measured[1:, 1:] & measured[1:, :-1]
    numbers = (np.cumsum(measured) - 1).reshape(height.shape)
    corners = [numbers[:-1, :-1], numbers[:-1, 1:], numbers[1:, 1:], numbers[1:, :-1]]
    quads = np.stack([one[whole] for one in corners], axis=1)
    _, y, x = scan.voxel_size
    rows, columns = np.nonzero(measured)
    points = np.stack([columns * x, rows * y, height[measured]], axis=1).astype(np.float32)
    data = {name: scan.map(one)[measured] for name, one in scan.maps().items()}
    mesh = meshio.Mesh(points, [("quad", quads)], point_data=data)
    meshio.write(path, mesh, file_format="vtu", compression=None)  # zlib takes ten times as long


def _series(path: Path, *, surfaces: Sequence[tuple[float, Path]]) -> None:
    """The surfaces of a cell with their times, in hours since the first."""
    root = ElementTree.Element("VTKFile", type="Collection", version="0.1")
    files = ElementTree.SubElement(root, "Collection")
    for hours, surface in surfaces:
        about = {"timestep": f"{hours:.6g}", "part": "0", "file": surface.as_posix()}
        ElementTree.SubElement(files, "DataSet", about)
    ElementTree.ElementTree(root).write(path, "utf-8", xml_declaration=True)
