"""The published cells again: the simulated ones of `simulators` straight through a session.

Tonin et al. give the thickness reduction of two cells after the first discharge (Table 1) and the
range of the local current density at three states of charge (their maps).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import event_model
import numpy as np
from numpy.typing import NDArray

from monitor.core.session import Session
from monitor.records import CyclerDocument, Record, ScanResult
from monitor.settings import CellSettings, Settings
from simulators.imaging.tomogram import Imaging, Tomogram
from simulators.scenarios import named, settings_for
from simulators.truth.cell import Cell
from simulators.truth.foil import FieldOfView
from simulators.truth.protocol import Program
from tests.core.phantom import records, start

Row = dict[str, Any]

SCAN_S, READING_S, PERIOD_S = 240.0, 60.0, 1800.0
POTENTIAL_V = 2.1
PUBLISHED = {
    "paper-0.55": {"current": 0.55, "coulometry_um": 15, "averaged_um": 16, "complete_um": 5},
    "paper-0.23": {"current": 0.23, "coulometry_um": 17, "averaged_um": 16, "complete_um": 16},
}
PUBLISHED_PITS = {
    "paper-0.55": "30–35 µm wide, about 30 µm deep",
    "paper-0.23": "few, 10–20 µm wide, about 10 µm deep",
}
PUBLISHED_CURRENTS = {0.9: "up to about 6", 0.5: "0 to 1.2", 0.0: "0.2 to 1.1"}


@dataclass(frozen=True, eq=False)
class Moment:
    """One scan: what the monitor made of it, and the truth: removal (n, n) and that of the
    un-pitted surface, µm."""

    result: ScanResult
    removal_um: NDArray[np.float64]
    plateau_um: float


class Cycler:
    """Readings as bluesky documents."""

    def __init__(self, cell: str) -> None:
        run = event_model.compose_run(metadata={"cell": cell}, time=0.0)
        keys = ("vmp_potential", "vmp_current", "vmp_charge")
        described = {key: {"dtype": "number", "shape": [], "source": "vmp"} for key in keys}
        self._keys = keys
        self._stream = run.compose_descriptor(name="primary", data_keys=described, time=0.0)
        self._first = [
            CyclerDocument("start", run.start_doc),
            CyclerDocument("descriptor", self._stream.descriptor_doc),
        ]

    def reading(self, time: float, current_mA: float, charge_mAh: float) -> list[CyclerDocument]:
        """One event, and before the first of them what must come before it."""
        data = dict(zip(self._keys, (POTENTIAL_V, current_mA, charge_mAh), strict=True))
        times = dict.fromkeys(data, time)
        event = self._stream.compose_event(data=data, timestamps=times, time=time)
        made, self._first = [*self._first, CyclerDocument("event", event)], []
        return made


class Beamline:
    """One simulated cell without sockets: cell, cycler, tomograms."""

    def __init__(self, scenario: str, size: int, cnr: float, seed: int = 1) -> None:
        (simulated,) = named(scenario).cells
        self.settings: Settings = settings_for(scenario, Settings())
        self._cell: CellSettings = self.settings.cells[0]
        field = FieldOfView(size=size, field_share=simulated.field_share)
        self._truth = Cell(field, simulated.first_stripping, seed)
        self._pristine = self._truth.heights_um
        self._program = Program(simulated.steps, SCAN_S + READING_S)
        self._imaging = Imaging(cnr=cnr)
        self._begun: set[int] = set()
        self._time = self._read_until = 0.0
        self._cycler, self._number, self._seed = Cycler(self._cell.name), 0, seed

    @property
    def scan_times(self) -> list[float]:
        """When a scan begins, s: every half an hour, the last one after the discharge."""
        return list(np.arange(0.0, self._program.end + PERIOD_S, PERIOD_S))

    def readings_until(self, end: float) -> Iterator[CyclerDocument]:
        """What the cycler says, once a minute."""
        sign = self._cell.stripping_current_sign * self._cell.area_cm2
        while self._read_until <= end:
            here = self._program.at(self._read_until)
            yield from self._cycler.reading(
                self._read_until, sign * here.rate_mA_cm2, sign * here.stripped_mAh_cm2
            )
            self._read_until += READING_S

    def scan(self, scan: int, begin: float) -> tuple[list[Record], NDArray[np.float64], float]:
        """Records of a scan; the true removal, µm, and that of the un-pitted surface."""
        middle = begin + 0.5 * SCAN_S
        for step, number, charge in self._program.between(self._time, middle):
            if step.stripping is not None and number not in self._begun:
                self._truth.begin(step.stripping)
                self._begun.add(number)
            self._truth.update(charge)
        self._time = middle
        heights = self._truth.heights_um
        tomogram = Tomogram(heights, self._imaging, (self._seed, scan))
        volume = np.stack([tomogram.slice(z) for z in range(tomogram.slice_count)])
        header = start(
            volume.shape,
            scan=scan,
            dtype=self._imaging.dtype,
            voxel_um=self._imaging.voxel_um,
            msg_number=self._number,
            start_time=begin,
            stop_time=begin + SCAN_S,
        )
        self._number += len(volume) + 2
        return records(header, volume), self._pristine - heights, self._truth.plateau_um


def experiment(scenario: str, size: int, *, cnr: float = 3.0, quick: bool = False) -> list[Moment]:
    """All scans of a scenario; `quick`: the first and the last only."""
    beamline = Beamline(scenario, size, cnr)
    session, moments = Session(beamline.settings), []
    times = beamline.scan_times
    for scan, begin in enumerate(times):
        if quick and 0 < scan < len(times) - 1:
            continue
        feed, removal, plateau = beamline.scan(scan, begin)
        said = [o for d in beamline.readings_until(begin + SCAN_S) for o in session.feed(d)]
        said += [o for record in feed for o in session.feed(record)]
        (result,) = [o for o in said if isinstance(o, ScanResult) and not o.provisional]
        moments.append(Moment(result, removal, plateau))
    return moments


def table_row(scenario: str, moments: list[Moment]) -> Row:
    """Thickness reduction after the discharge: by charge, by the monitor, in truth, published."""
    last = moments[-1]
    summary, published = last.result.summary, PUBLISHED[scenario]
    return {
        "scenario": scenario,
        "current": published["current"],
        "coulometry_um": summary["coulometry_um"],
        "averaged_um": summary["averaged_um"],
        "complete_um": summary["complete_um"],
        "closure": summary["closure"],
        "true_averaged_um": float(last.removal_um.mean()),
        "true_complete_um": last.plateau_um,
        "published_coulometry_um": published["coulometry_um"],
        "published_averaged_um": published["averaged_um"],
        "published_complete_um": published["complete_um"],
        "pit_width_um": summary["pit_diameter_median_um"],
        "pit_depth_ten_um": summary["pit_depth_ten_um"],
        "pit_density_mm2": summary["pit_density_mm2"],
        "published_pits": PUBLISHED_PITS[scenario],
    }


def at_published_charge(moments: list[Moment]) -> dict[float, Moment]:
    """The scans with a cumulative map that are nearest to the published states of charge."""
    charged = [moment for moment in moments if "cumulative" in moment.result.maps]
    return {
        soc: min(charged, key=lambda moment: abs(moment.result.summary["soc"] - soc))
        for soc in PUBLISHED_CURRENTS
    }


def local_currents(moments: list[Moment]) -> list[Row]:
    """P1, median and P99 of the cumulative map, mA/cm², found and true, at the published states of
    charge."""
    rows = []
    for soc, near in at_published_charge(moments).items():
        mean = near.result.summary["mean_current_mA_cm2"]
        true = mean * near.removal_um / near.removal_um.mean()
        found = near.result.maps["cumulative"]
        rows.append(
            {
                "soc": near.result.summary["soc"],
                "found": tuple(float(v) for v in np.nanpercentile(found, (1, 50, 99))),
                "true": tuple(float(v) for v in np.percentile(true, (1, 50, 99))),
                "published": PUBLISHED_CURRENTS[soc],
            }
        )
    return rows


def curve(moments: list[Moment]) -> list[Row]:
    """Charge, thickness and pits, scan after scan."""
    return [
        {
            "charge_mAh_cm2": m.result.summary["charge_mAh_cm2"],
            "coulometry_um": m.result.summary["coulometry_um"],
            "averaged_um": m.result.summary["averaged_um"],
            "complete_um": m.result.summary["complete_um"],
            "true_averaged_um": float(m.removal_um.mean()),
            "true_complete_um": m.plateau_um,
        }
        for m in moments
    ]
