"""Simulated cells of every kind, each measured scan by scan straight through a session.

Every other cell pits: at currents from 0.23 to 1.1 mA/cm², sooner or later, with pits of all widths
and depths. The others are eaten evenly. All at a contrast-to-noise ratio of 2, a scan each half an
hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.session import Session
from monitor.records import Output, ScanResult
from monitor.settings import OnsetSettings, Settings
from simulators.imaging.tomogram import Imaging, Tomogram
from simulators.scenarios import AREA_CM2, settings_for
from simulators.truth.cell import Cell
from simulators.truth.foil import FieldOfView
from simulators.truth.protocol import Program, Step
from simulators.truth.stripping import Stripping
from tests.core.phantom import records, start
from tests.studies.validation.paper import Cycler

SCAN_S, READING_S, PERIOD_S = 240.0, 60.0, 1800.0
CNR = 2.0


@dataclass(frozen=True)
class Kind:
    """What becomes of one cell."""

    seed: int
    current_mA_cm2: float
    charge_mAh_cm2: float
    stripping: Stripping
    size: int = 160

    @property
    def pits(self) -> bool:
        return self.stripping.pitted_um > 0.0


def drawn(seed: int, *, pitting: bool, size: int = 160) -> Kind:
    """A cell drawn at random; the same seed gives the same cell."""
    rng = np.random.default_rng([seed, pitting])
    removal = float(rng.uniform(9.0, 17.0))
    depth = float(rng.uniform(8.0, 28.0))
    width = float(rng.uniform(12.0, 32.0))
    share = float(rng.uniform(0.15, 0.65))
    stripping = Stripping(
        removal_um=removal,
        pitted_um=share * min(removal, 0.5 * depth) if pitting else 0.0,
        onset=float(rng.uniform(0.05, 0.5)),
        width_um=(width, 1.2 * width),
        depth_um=(depth, 0.05 * depth),
    )
    current = float(rng.choice([0.23, 0.4, 0.55, 0.8, 1.1]))
    return Kind(seed, current, removal / 4.8491, stripping, size)


@dataclass(frozen=True, eq=False)
class Seen:
    """One scan: what the monitor said, its result, the true removal and that of the plateau."""

    said: list[Output]
    result: ScanResult
    removal_um: NDArray[np.float64]
    plateau_um: float

    @property
    def true_depth_um(self) -> float:
        """Depth of the deepest pit below the true plateau."""
        return float((self.removal_um - self.plateau_um).max())


def measured(
    kind: Kind, onset: OnsetSettings | None = None, scans: int | None = None
) -> Iterator[Seen]:
    """Every scan of a cell, from the reference to the first one after the end of its discharge."""
    settings = settings_for("paper-0.55", Settings(onset=onset or OnsetSettings()))
    session, cell = Session(settings), settings.cells[0]
    truth = Cell(FieldOfView(size=kind.size), kind.stripping, kind.seed)
    pristine = truth.heights_um
    step = Step("discharge", kind.current_mA_cm2, kind.charge_mAh_cm2, stripping=kind.stripping)
    program = Program((step,), SCAN_S + READING_S)
    cycler, imaging = Cycler(cell.name), Imaging(cnr=CNR)
    now = read_until = 0.0
    number, sign = 0, cell.stripping_current_sign * AREA_CM2
    times = np.arange(0.0, program.end + PERIOD_S, PERIOD_S)[:scans]
    for scan, begin in enumerate(times):
        middle = begin + 0.5 * SCAN_S
        truth.update(sum(charge for _, _, charge in program.between(now, middle)))
        now, said = middle, []
        while read_until <= begin + SCAN_S:
            here = program.at(read_until)
            values = sign * here.rate_mA_cm2, sign * here.stripped_mAh_cm2
            said += [o for d in cycler.reading(read_until, *values) for o in session.feed(d)]
            read_until += READING_S
        heights = truth.heights_um
        tomogram = Tomogram(heights, imaging, (kind.seed, scan))
        volume = np.stack([tomogram.slice(z) for z in range(tomogram.slice_count)])
        header = replace(
            start(volume.shape, scan=scan, dtype=imaging.dtype, voxel_um=imaging.voxel_um),
            msg_number=number,
            start_time=begin,
            stop_time=begin + SCAN_S,
        )
        number += len(volume) + 2
        said += [o for record in records(header, volume) for o in session.feed(record)]
        (result,) = [o for o in said if isinstance(o, ScanResult) and not o.provisional]
        yield Seen(said, result, pristine - heights, truth.plateau_um)


def events(seen: Seen, kind: str) -> list[dict[str, Any]]:
    """The data of the events of this kind."""
    return [dict(o.data) for o in seen.said if getattr(o, "kind", "") == kind]
