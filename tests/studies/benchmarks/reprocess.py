"""(f) A recording measured again, with one worker of Dask and with two."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.playback.replay import replay_settings
from monitor.recording.read.experiment import Experiment, open_experiment
from monitor.records import CyclerDocument, Record, ScanEnd, SliceFrame
from monitor.reprocess.cluster import cluster
from monitor.reprocess.measure import reprocess
from monitor.settings import parse
from tests.studies.benchmarks.phantom import VOXEL_UM, Foil
from tests.studies.benchmarks.producer import start_of

SCANS, ROUNDS = 8, 2


def run(say: Callable[..., None], *, quick: bool) -> None:
    """Print the time with one worker over that with two, on the same cores."""
    foil = Foil(256 if quick else 1024, 200)
    with tempfile.TemporaryDirectory(prefix="pitwatch-benchmark-") as folder:
        experiment = _recorded(foil, Path(folder))
        took: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(2 * ROUNDS):
            for workers in (1, 2) if turn % 2 else (2, 1):
                took[workers].append(_again(experiment, workers, Path(folder) / f"{turn}{workers}"))
        # of each number of workers the first compiles, or reads what is compiled
        one, two = (median(took[workers][1:]) for workers in (1, 2))
    say(
        f"(f) reprocess, {SCANS} scans of {foil.side}² × {foil.slices}: {one:.1f} s with one "
        f"worker, {two:.1f} s with two: {one / two:.2f} ×"
    )


def _recorded(foil: Foil, folder: Path) -> Experiment:
    cell = {"name": "A", "foil_thickness_um": foil.thickness * VOXEL_UM, "layers": foil.layers}
    place = {"name": "trial", "data_dir": str(folder)}
    settings = parse({"experiment": place, "cells": [cell]})
    session, recorder = Session(settings), Recorder(settings)
    run_start = {"uid": "r", "time": 0.0, "cell": "A"}
    records: list[Record] = [CyclerDocument("start", run_start)]
    for scan in range(SCANS):
        start = start_of(foil, scan, scan * (foil.slices + 2))
        records.append(start)
        for one in records:
            recorder.write("slices", (), one, session.feed(one))
        for z, image in enumerate(foil.planes(scan)):
            frame = SliceFrame("A", scan, "s", start.msg_number + 1 + z, z, image)
            recorder.write("slices", (), frame, session.feed(frame))
        number = start.msg_number + 1 + foil.slices
        records = [ScanEnd("A", scan, "s", number, foil.slices)]
    for one in records:
        recorder.write("slices", (), one, session.feed(one))
    recorder.close()
    return open_experiment(recorder.folder)


def _again(experiment: Experiment, workers: int, out: Path) -> float:
    settings = replay_settings(experiment.settings)
    with cluster(None, workers) as pool:
        begin = time.perf_counter()
        reprocess(experiment, settings, pool, out, lambda _: None)
        return time.perf_counter() - begin
