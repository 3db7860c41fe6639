"""Small made-up experiments for tests of recording, replay and report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitor.engine.recorder import Recorder
from monitor.faraday import thickness_um
from monitor.quantities.table import CURRENT_MAPS
from monitor.records import (
    CyclerDocument,
    Event,
    Output,
    Pit,
    Record,
    ScanEnd,
    ScanKey,
    ScanResult,
    ScanStart,
    SliceFrame,
)
from monitor.settings import Settings, parse
from monitor.wire.slices import stins

NZ, NY, NX = 40, 96, 112
HOUR = 3600.0


@dataclass
class Scene:
    """What a made-up cell looks like: removal in µm grows with the charge, faster in pits."""

    seed: int = 0
    voxel_um: float | None = 4.0
    axis: str = "z"
    dtype: str = "uint16"
    nz: int = NZ

    def start(self, scan: int, time: float, reason: str, cell: str, msg_number: int) -> ScanStart:
        voxel = (self.voxel_um,) * 3 if self.voxel_um else None
        return ScanStart(
            ScanKey(cell, "run", scan), f"stream-{cell}", msg_number, reason, "", self.axis,
            (self.nz, NY, NX), self.dtype, voxel, time, time + 60.0,
        )  # fmt: skip

    def removal(self, mean_um: float) -> np.ndarray:
        """(NY, NX) float32 with the mean given; half of it in pits."""
        rng = np.random.default_rng(self.seed)
        y, x = np.mgrid[:NY, :NX]
        pits = np.zeros((NY, NX))
        for cy, cx in rng.uniform(0, 1, (40, 2)) * (NY, NX):
            pits += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18.0)
        rough = rng.normal(0, 0.3, (NY, NX))
        return (mean_um * (0.5 + 0.5 * pits / pits.mean()) + rough).astype(np.float32)

    def volume(self, height_um: np.ndarray) -> np.ndarray:
        """(nz, NY, NX): dark lithium below the height, bright electrolyte above."""
        rng = np.random.default_rng(self.seed + 1)
        z = np.arange(self.nz)[:, None, None] * (self.voxel_um or 4.0)
        grey = np.where(z < height_um, 900.0, 1100.0) + rng.normal(0, 40, (self.nz, NY, NX))
        return np.clip(grey / (8 if self.dtype == "uint8" else 1), 0, None).astype(self.dtype)


def settings(data_dir: Path, *cells: str, **experiment: Any) -> Settings:
    table = {"name": "made-up", "data_dir": str(data_dir), **experiment}
    return parse({"experiment": table, "cells": [{"name": name} for name in cells or ("A",)]})


def messages(start: ScanStart, volume: np.ndarray, order: list[int] | None = None) -> list[Record]:
    """Start, slices in `order`, and end, with message numbers counted from the start's."""
    records: list[Record] = [start]
    along = 0 if start.axis == "z" else 1
    for frame in order if order is not None else range(start.slice_count):
        pixels = np.ascontiguousarray(volume.take(frame, along))
        pixels.setflags(write=False)
        number = start.msg_number + len(records)
        records.append(
            SliceFrame(start.key.cell, start.key.scan, start.stream, number, frame, pixels)
        )
    number = start.msg_number + len(records)
    end = ScanEnd(start.key.cell, start.key.scan, start.stream, number, start.slice_count)
    return [*records, end]


def frames_of(record: Record) -> list[bytes | memoryview]:
    match record:
        case ScanStart():
            return stins.encode_start(record)
        case SliceFrame():
            return stins.encode_slice(record)
        case ScanEnd():
            return stins.encode_end(record)
    return []


def result(start: ScanStart, removal: np.ndarray, **summary: Any) -> ScanResult:
    """A final result with all maps that a scan can have but `interval` and `deposit_front`."""
    unit = start.voxel_size[0]
    height = (125.0 * (1 if start.voxel_size_um else 0.25) - removal).astype(np.float32)
    j = 0.55 * removal / max(float(removal.mean()), 1e-6)
    maps = {
        "height": height,
        "height_error": np.full_like(height, 0.3),
        "bottom": np.zeros_like(height),
        "removal": removal,
        "removal_error": np.full_like(height, 0.4),
        **{name: j.astype(np.float32) for name in CURRENT_MAPS if name != "interval"},
    }
    labels = np.zeros(removal.shape, np.int32)
    labels[10:16, 20:26] = 7
    pit = Pit(7, -1, 1, 22.5 * unit, 12.5 * unit, 36 * unit**2, 6 * unit, 9.0, 5.0, 99.0, 2.5, 1e-6)
    word = "um" if start.voxel_size_um else "voxel"
    own = {f"averaged_{word}": float(removal.mean()), "pit_count": 1, "reason": start.reason}
    ledger = np.ones(start.slice_count, np.uint8)
    return ScanResult(start, False, True, ledger, maps, labels, (pit,), own | summary)


def cycler_run(cell: str) -> list[Record]:
    start = {"uid": f"run-{cell}", "time": 0.0, "cell": cell}
    keys = {"vmp_potential": {}, "vmp_current": {}, "vmp_charge": {}}
    descriptor = {"uid": f"d-{cell}", "run_start": f"run-{cell}", "time": 0.0, "data_keys": keys}
    return [CyclerDocument("start", start), CyclerDocument("descriptor", descriptor)]


def cycler_event(cell: str, time: float, charge_mAh: float, seq: int = 1) -> CyclerDocument:
    data = {"vmp_potential": 2.1, "vmp_current": -0.108, "vmp_charge": -charge_mAh}
    stamps = dict.fromkeys(data, time)
    doc = {"uid": f"e-{cell}-{seq}", "descriptor": f"d-{cell}", "seq_num": seq}
    return CyclerDocument("event", {**doc, "time": time, "data": data, "timestamps": stamps})


def write_scan(
    recorder: Recorder,
    scene: Scene,
    scan: int,
    cell: str = "A",
    msg_number: int = 0,
    **summary: Any,
) -> ScanResult:
    """Records one whole scan whose charge is `summary["charge_mAh_cm2"]`."""
    charge = summary.get("charge_mAh_cm2") or 0.0
    time = 1.6e9 + scan * HOUR
    start = scene.start(scan, time, "periodic" if scan else "reference", cell, msg_number)
    removal = scene.removal(thickness_um(charge) * (1 if scene.voxel_um else 0.25))
    volume = scene.volume(125.0 - scene.removal(thickness_um(charge)))
    whole = result(start, removal, time=start.time, **summary)
    records = messages(start, volume)
    for record in records:
        outputs: tuple[Output, ...] = ()
        if record is records[-1]:
            outputs = (whole, Event(scan, "scan_complete", cell, start.time, {"scan": scan}))
        recorder.write("slices", frames_of(record), record, outputs)
    return whole
