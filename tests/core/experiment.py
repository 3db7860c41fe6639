"""A cell that loses known lithium in three scans, as the records that a session is fed."""

from dataclasses import replace

import event_model
import numpy as np

from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import CyclerDocument
from monitor.settings import Settings
from tests.core.phantom import cell, columns, noisy, records, start

SHAPE = (96, 48, 48)
AREA_CM2 = 0.2
PLATEAU_UM = 2.0
PITS = ((14, 13), (33, 35))


def removal(scan):
    """Removed lithium (48, 48), voxels: a plateau, and from scan 1 on two pits that grow."""
    y, x = np.mgrid[:48, :48]
    lost = np.full((48, 48), PLATEAU_UM * scan)
    for cy, cx in PITS if scan else ():
        inside = 1 - ((y - cy) ** 2 + (x - cx) ** 2) / 8.0**2
        lost += (4 + 4 * scan) * np.sqrt(np.clip(inside, 0, None))
    return lost


def volume(scan, *, noise=10.0, dtype="uint16", seed=0):
    """The scan as slices (96, 48, 48); the foil's upper edge lies at 66 before all."""
    clean = columns(np.full((48, 48), 20.2), 66.0 - removal(scan), SHAPE[0])
    return noisy(clean, noise=noise, seed=seed + scan, dtype=dtype)


def scan_records(scan, *, order=None, data=None, **changes):
    begin = start(SHAPE, scan=scan, **changes)
    begin = replace(begin, msg_number=scan * (begin.slice_count + 2))
    return records(begin, volume(scan) if data is None else data, order=order)


def run_documents(name, times, charge_mAh, current_mA):
    """A run of a cycler: start, descriptor, and an event at each time; the charge that is stripped
    and the current are functions of the time."""
    run = event_model.compose_run(metadata={"cell": name}, uid=f"run-{name}", time=0.0)
    keys = {
        key: {"dtype": "number", "shape": [], "source": "vmp"}
        for key in ("vmp_potential", "vmp_current", "vmp_charge")
    }
    stream = run.compose_descriptor(name="primary", data_keys=keys, uid=f"d-{name}", time=0.0)
    made = [
        CyclerDocument("start", run.start_doc),
        CyclerDocument("descriptor", stream.descriptor_doc),
    ]
    for number, time in enumerate(times):
        data = {
            "vmp_potential": 2.1,
            "vmp_current": current_mA(time),
            "vmp_charge": -charge_mAh(time),
        }
        event = stream.compose_event(
            data=data, timestamps=dict.fromkeys(keys, time), time=time, uid=f"{name}-{number}"
        )
        made.append(CyclerDocument("event", event))
    return made


def cycler_documents(until_s, *, name="A", step_s=60.0):
    """A run at the current that removes what `removal` says."""
    first, second = (removal(scan).mean() / UM_PER_MAH_CM2 * AREA_CM2 for scan in (1, 2))
    return run_documents(
        name,
        np.arange(0.0, until_s + 1, step_s),
        lambda time: np.interp(time, (0, 1800, 3600), (0, first, second)),
        lambda time: -2 * (first if time < 1800 else second - first),
    )


def experiment(scans=3, **changes):
    """Documents and scans in the order in which they would come."""
    documents = cycler_documents(1800.0 * (scans - 1) + 60, name=changes.get("name", "A"))
    made = documents[:2]
    for scan in range(scans):
        until = 1800.0 * scan + 30
        made += [d for d in documents[2:] if until - 1800 < d.doc["time"] <= until]
        made += scan_records(scan, **changes)
    return made


def settings(*names, **changes):
    cells = tuple(cell(name) for name in names or "A")
    return Settings.model_validate({"experiment": {"name": "trial"}, "cells": cells} | changes)
