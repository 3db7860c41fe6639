"""What can be done to a recording to make its reader read, write or wait elsewhere."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tomli_w

from monitor.engine.recorder import Recorder
from monitor.recording import format as layout
from tests.recording.synthetic import Scene, cycler_event, cycler_run, settings, write_scan

MARK = b"CANARY42"
NUMBER = float(np.frombuffer(MARK, np.float64)[0])
"""What a file outside says if it is read as numbers."""

SCAN, PART = "A/scan_0001.h5", "A/scan_0002.h5.part"
FILES = (
    "experiment.toml", "journal.jsonl", "events.jsonl", "engine.lock", "errors.log",
    "A", "A/events.jsonl", "A/cycler.h5", "A/A.nxs", SCAN, PART,
)  # fmt: skip
HDF5_PLACES = {
    SCAN: (
        "entry", "entry/reconstruction", layout.SLICES, "entry/interface", "entry/interface/height",
        "entry/summary", "entry/summary/averaged_um", "entry/ledger", "entry/ledger/order",
        "entry/pits", "entry/pits/id",
    ),
    "A/cycler.h5": ("time",),
    "A/A.nxs": ("entry/interface/height", "entry/scans/scan_0001"),
}  # fmt: skip

Harm = Callable[[Path, Path], None]
"""Changes a recording (first) so that it leads outside (second)."""


def make_recording(folder: Path) -> Path:
    """Two scans, readings, and a picture of grain boundaries that is not asked for."""
    recorder = Recorder(settings(folder))
    for document in (*cycler_run("A"), *(cycler_event("A", 1.6e9 + n, n, n) for n in range(20))):
        recorder.write("documents", (), document, ())
    for scan in range(2):
        write_scan(recorder, Scene(nz=12), scan, "A", 20 * scan, charge_mAh_cm2=float(scan))
    recorder.close()
    return recorder.folder


def make_outside(folder: Path) -> Path:
    """What nobody may read or write: a file of text, one of numbers, one of HDF5, a picture."""
    folder.mkdir()
    (folder / "secret.txt").write_bytes(MARK * 5000)
    with h5py.File(folder / "secret.h5", "w") as file:
        for places in HDF5_PLACES.values():
            for place in places:
                if place.count("/") == 2 and place not in file:
                    file[place] = np.full((96, 112), NUMBER)
        file["time"] = np.full(20, NUMBER)
    os.mkfifo(folder / "pipe")
    return folder


def replaced(path: Path) -> Path:
    """The place of a file, which is taken away."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


# --- files that are none --------------------------------------------------------------------------


def link(name: str) -> Harm:
    """The file itself, moved outside."""

    def harm(folder: Path, outside: Path) -> None:
        path, moved = folder / name, outside / "moved"
        if path.exists():
            shutil.move(path, moved)
        else:
            moved.write_bytes(MARK)
        path.symlink_to(moved)

    return harm


def secret(name: str) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        replaced(folder / name).symlink_to(outside / "secret.txt")

    return harm


def pipe(name: str) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        os.mkfifo(replaced(folder / name))

    return harm


def link_to_pipe(name: str) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        replaced(folder / name).symlink_to(outside / "pipe")

    return harm


def device(name: str) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        replaced(folder / name).symlink_to("/dev/zero")

    return harm


def directory(name: str) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        replaced(folder / name).mkdir()

    return harm


# --- reports --------------------------------------------------------------------------------------


def linked_report(folder: Path, outside: Path) -> None:
    (folder / "report").symlink_to(outside)


def linked_figures(folder: Path, outside: Path) -> None:
    (folder / "report").mkdir()
    names = ("cross_sections", "height_maps", "current_density", "two_discharges")
    for name in (*(f"A_{name}" for name in names), "relief"):
        (folder / "report" / f"{name}.png").symlink_to(outside / "secret.txt")


def piped_figures(folder: Path, outside: Path) -> None:
    (folder / "report").mkdir()
    os.mkfifo(folder / "report" / "relief.png")


# --- within HDF5 ----------------------------------------------------------------------------------


def in_hdf5(name: str, change: Callable[[h5py.File, Path], None]) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        with h5py.File(folder / name, "r+", libver=layout.HDF5_VERSION) as file:
            change(file, outside)

    return harm


def external_link(place: str, target: str) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, outside: Path) -> None:
        del file[place]
        file[place] = h5py.ExternalLink(str(outside / target), f"/{place}")

    return change


def soft_link(place: str) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, outside: Path) -> None:
        file.move(place, "elsewhere")
        file[place] = h5py.SoftLink("/elsewhere")

    return change


def _taken(file: h5py.File, place: str) -> tuple[tuple[int, ...], Any, dict[str, Any]]:
    old = file[place]
    facts = (old.shape or (1,)), old.dtype, dict(old.attrs)
    del file[place]
    return facts


def external_storage(place: str, target: str) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, outside: Path) -> None:
        shape, dtype, attributes = _taken(file, place)
        raw = [(str(outside / target), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(place, shape, dtype, external=raw).attrs.update(attributes)

    return change


def virtual(place: str, target: str, *, grows: bool = False) -> Callable[[h5py.File, Path], None]:
    """`grows`: HDF5 opens the other file as soon as the shape is asked for."""

    def change(file: h5py.File, outside: Path) -> None:
        shape, dtype, attributes = _taken(file, place)
        longest = (None, *shape[1:]) if grows else shape
        made = h5py.VirtualLayout(shape, dtype, maxshape=longest)
        source = h5py.VirtualSource(str(outside / target), place, shape, maxshape=longest)
        some = h5py.h5s.UNLIMITED if grows else shape[0]
        made[:some] = source[:some]
        file.create_virtual_dataset(place, made)
        file[place].attrs.update(attributes)

    return change


def claimed(place: str, shape: tuple[int, ...], **how: Any) -> Callable[[h5py.File, Path], None]:
    """A dataset that is small on the disk and huge in memory."""

    def change(file: h5py.File, outside: Path) -> None:
        _, dtype, attributes = _taken(file, place)
        made = file.create_dataset(place, shape, dtype, **how)
        made[(0,) * len(shape)] = 1
        made.attrs.update(attributes)

    return change


def many(place: str, count: int = 50_000) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, outside: Path) -> None:
        group = file[place] if place else file
        like = h5py.h5s.create(h5py.h5s.SCALAR)
        for number in range(count):
            h5py.h5d.create(group.id, b"x%d" % number, h5py.h5t.IEEE_F64LE, like)

    return change


def huge_volume(file: h5py.File, outside: Path) -> None:
    """17 GB a slice."""
    del file[layout.SLICES]
    shape = (12, 131_072, 131_072)
    file.create_dataset(layout.SLICES, shape, np.uint16, chunks=(1, 1024, 131_072))
    file["entry"].attrs["volume_shape"] = shape


# --- sizes and settings ---------------------------------------------------------------------------


def sparse(name: str) -> Harm:
    def harm(folder: Path, outside: Path) -> None:
        with (folder / name).open("ab") as file:
            file.truncate(2**40)

    return harm


def with_settings(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / layout.SETTINGS_FILE
    table = tomllib.loads(path.read_text())
    change(table["settings"])
    path.write_text(tomli_w.dumps(table))


def picture(make: Callable[[Path, Path], str]) -> Harm:
    """The settings name this picture of grain boundaries."""

    def harm(folder: Path, outside: Path) -> None:
        marks = [[0.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 9.0], [9.0, 0.0, 9.0, 0.0]]
        asked = {"image": make(folder, outside), "landmarks": marks}
        with_settings(folder, lambda table: table["cells"][0].update(boundaries=asked))

    return harm


def _eps(folder: Path, outside: Path) -> str:
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    for place in (outside / "grains.png", folder / "A" / "grain_boundaries.png"):
        place.write_text(text)
    return str(outside / "grains.png")


def _drawn(folder: Path, outside: Path) -> str:
    from PIL import Image

    lines = np.zeros((64, 64), np.uint8)
    lines[::8] = 255
    Image.fromarray(lines).save(outside / "grains.png")
    return str(outside / "grains.png")


def _linked(folder: Path, outside: Path) -> str:
    (folder / "A" / "grain_boundaries.png").symlink_to(_drawn(folder, outside))
    return str(folder / "A" / "grain_boundaries.png")


def _piped(folder: Path, outside: Path) -> str:
    os.mkfifo(folder / "A" / "grain_boundaries.png")
    return str(outside / "pipe")


def second_dir(folder: Path, outside: Path) -> None:
    second = {"second_dir": str(outside / "second")}
    with_settings(folder, lambda table: table["experiment"].update(second))


def nested_settings(folder: Path, outside: Path) -> None:
    (folder / layout.SETTINGS_FILE).write_text("format = 1\na = " + "[" * 200_000)


def kinds() -> dict[str, Harm]:
    """By name."""
    made: dict[str, Harm] = {}
    for make in (link, secret, pipe, link_to_pipe, device, directory):
        made |= {f"{make.__name__} {name}": make(name) for name in FILES}
    made |= {
        "report is a link": linked_report,
        "figures are links": linked_figures,
        "a figure is a pipe": piped_figures,
        "huge volume": in_hdf5(SCAN, huge_volume),
        "many in summary": in_hdf5(SCAN, many("entry/summary")),
        "many in pits": in_hdf5(SCAN, many("entry/pits")),
        "many at the root": in_hdf5(SCAN, many("")),
        "second_dir": second_dir,
        "nested settings": nested_settings,
    }
    for name, places in HDF5_PLACES.items():
        for place in places:
            one = f"{name} {place}"
            made[f"external link {one}"] = in_hdf5(name, external_link(place, "secret.h5"))
            made[f"external link to a pipe {one}"] = in_hdf5(name, external_link(place, "pipe"))
            made[f"soft link {one}"] = in_hdf5(name, soft_link(place))
            if (place.count("/") == 2 and "scans" not in place) or place == "time":
                raw, own = "secret.txt", "secret.h5"
                made[f"external storage {one}"] = in_hdf5(name, external_storage(place, raw))
                made[f"piped storage {one}"] = in_hdf5(name, external_storage(place, "pipe"))
                made[f"virtual {one}"] = in_hdf5(name, virtual(place, own))
                made[f"virtual of a pipe {one}"] = in_hdf5(name, virtual(place, "pipe", grows=True))
    plane, zipped = (2**19, 2**19), {"compression": "gzip", "chunks": (1024, 1024)}
    for place, shape, how in (
        ("entry/interface/height", plane, zipped),
        ("entry/ledger/order", (2**40,), {"chunks": (1024,)}),
        ("entry/pits/id", (2**26,), {"chunks": (2**20,), "compression": "gzip"}),
        ("entry/pits/id", (2**40,), {"chunks": (2**20,)}),
        ("entry/summary/averaged_um", (2**27,), {"compression": "gzip"}),
    ):
        made[f"huge {place} {shape[0]}"] = in_hdf5(SCAN, claimed(place, shape, **how))
    long = claimed("time", (2**40,), maxshape=(None,), chunks=(1024,))
    zipped_long = claimed("time", (2**26,), maxshape=(None,), compression="gzip")
    made["huge readings"] = in_hdf5("A/cycler.h5", long)
    made["huge readings, compressed"] = in_hdf5("A/cycler.h5", zipped_long)
    made |= {f"sparse {name}": sparse(name) for name in FILES if name not in ("A", PART)}
    for make_picture in (_eps, _drawn, _linked, _piped):
        made[f"picture{make_picture.__name__}"] = picture(make_picture)
    return made
