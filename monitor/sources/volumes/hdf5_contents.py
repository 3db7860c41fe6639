"""Which dataset of an HDF5 file is its volume, and what is none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from monitor.errors import SourceError
from monitor.sources.volumes.planes import looks_coloured

NABU_DATA = re.compile(r"/[^/]+/reconstruction/results/data")
OWN_DATA = "/entry/reconstruction/data"
MAX_NODES, MAX_NAMED, MAX_DEEP = 20_000, 3, 16
PER_PROJECTION = ("theta", "rotation_angle", "image_key", "image_key_control")
"""Datasets of DXchange and NXtomo beside projections, with one value for each."""
REFERENCE_IMAGES = ("data_white", "data_dark")
"""Datasets of DXchange beside projections."""
UNREADABLE = (KeyError, OSError, RuntimeError, ValueError)


@dataclass(slots=True)
class _Found:
    """What a file holds: names of the 3-D datasets that lie in it, and of those that links lead to,
    each once whatever leads to it; links that lead nowhere; and what other datasets are."""

    stored: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def only_volume(file: h5py.File, path: Path) -> str:
    """The dataset that is plainly meant: nabu's, our own, NeXus' `default`, or the only one. Raises
    SourceError if there is none, if there are several, or if a link to it is broken."""
    found = _found(file)
    default = _default(file, found.broken)
    lost = [name for name in found.broken if NABU_DATA.fullmatch(name) or name == default]
    if lost:
        raise SourceError(
            f"{path}: {link_text(file, lost[0])}; restore that file, or name another dataset"
        )
    every = found.stored + found.linked
    candidates = (
        [name for name in every if NABU_DATA.fullmatch(name)]
        or [name for name in every if name == OWN_DATA]
        or [name for name in every if default and _identity(file[name]) == _identity(file[default])]
        or found.stored
        or found.linked
    )
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        seen = [*(link_text(file, name) for name in found.broken), *found.others][:MAX_NAMED]
        why = f" ({'; '.join(seen)})" if seen else ""
        raise SourceError(
            f"{path}: contains no 3-D dataset of numbers{why}; expected a volume (nz, ny, nx)"
        )
    raise SourceError(
        f"{path}: holds {len(candidates)} 3-D datasets: {', '.join(candidates[:8])}; name one, "
        f"e.g. {path.name}::{candidates[0]}"
    )


def _found(file: h5py.File) -> _Found:
    found = _Found()
    first = [OWN_DATA] if OWN_DATA in file else []  # it has another name too
    queue, links = [(name, found.stored) for name in (*first, "/")], list[str]()
    seen: set[tuple[str, int]] = set()
    while (queue or links) and len(seen) < MAX_NODES:
        name, names = queue.pop(0) if queue else (links.pop(0), found.linked)
        try:
            node = file[name]
        except UNREADABLE:
            found.broken.append(name)
            continue
        if _identity(node) in seen:
            continue
        seen.add(_identity(node))
        if isinstance(node, h5py.Dataset) and not name.endswith(REFERENCE_IMAGES):
            if node.ndim == 3 and node.dtype.kind in "biuf":
                names.append(name)
            elif node.ndim > 1:
                found.others.append(f"{name} is {node.shape} {node.dtype}")
        for key in node if isinstance(node, h5py.Group) else ():
            child = f"{name.rstrip('/')}/{key}"
            if isinstance(node.get(key, getlink=True), h5py.SoftLink | h5py.ExternalLink):
                links.append(child)
            else:
                queue.append((child, names))
    found.stored.sort()
    found.linked.sort()
    return found


def _default(file: h5py.File, broken: list[str]) -> str:
    """What NeXus' attributes `default` and `signal` lead to; "" if they name nothing that is there,
    or that a link should lead to."""
    node, name = file["/"], ""
    for _ in range(MAX_DEEP):
        key = "default" if "default" in node.attrs else "signal"
        part = next(iter(np.ravel(node.attrs.get(key, ""))), "")  # DAWN writes an array
        part = part.decode("utf-8", "replace") if isinstance(part, bytes) else part
        if not isinstance(part, str) or not part:
            return ""
        name = part if part.startswith("/") else f"{name}/{part}"
        node = readable_node(file, name)
        if not isinstance(node, h5py.Group):
            break
    return name if node is not None or name in broken else ""


def _identity(node: Any) -> tuple[str, int]:
    return node.file.filename, int(h5py.h5o.get_info(node.id).addr)


def link_text(file: h5py.File, name: str) -> str:
    """`/a/b leads to far.h5::/data, which cannot be opened`, of the first link on the way."""
    parts = name.strip("/").split("/")
    link = None
    for count in range(1, len(parts) + 1):
        part = "/" + "/".join(parts[:count])
        try:
            link = file.get(part, getlink=True)
            if file[part] is not None:
                continue
        except UNREADABLE:
            if isinstance(link, h5py.ExternalLink):
                return f"{part} points to {link.filename}::{link.path}, which cannot be opened"
            if isinstance(link, h5py.SoftLink):
                return f"{part} points to {link.path}, which cannot be opened"
            break
    return f"{name} cannot be opened"


def check_is_volume(file: h5py.File, data: h5py.Dataset, name: str, path: Path) -> None:
    """Projections have an angle, or NXtomo's key, for each image, or lie beside flat fields; images
    in colours have three or four values a pixel. Raises SourceError for both."""
    if NABU_DATA.fullmatch(name) or name == OWN_DATA:
        return
    beside = name.rpartition("/")[0]
    entry = "/" + name.strip("/").partition("/")[0]
    why = [
        f"{angles.name} has one value for each"
        for holder in (beside, f"{entry}/sample", f"{entry}/instrument/detector")
        for key in PER_PROJECTION
        if isinstance(angles := readable_node(file, f"{holder}/{key}"), h5py.Dataset)
        and angles.shape == data.shape[:1]
    ] + [f"{key} lies beside them" for key in REFERENCE_IMAGES if f"{beside}/{key}" in file]
    if why:
        raise SourceError(
            f"{path}::{name}: contains projections ({why[0]}), expected a reconstructed volume; "
            "reconstruct it first, or name the volume"
        )
    if looks_coloured(data.shape):
        raise SourceError(
            f"{path}::{name}: is {data.shape}, which looks like a colour image; expected a volume "
            "of grey levels"
        )


def readable_node(file: h5py.File, name: str) -> Any:
    """None for what is missing or cannot be opened."""
    try:
        return file.get(name)
    except UNREADABLE:
        return None
