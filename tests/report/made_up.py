"""A recording with two discharges and a charge between them, for the report's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.engine.recorder import Recorder
from monitor.faraday import thickness_um
from tests.recording.synthetic import Scene, settings, write_scan

CHARGES = ((1, 0.3), (1, 1.5), (1, 2.2), (1, 3.06), (1, 1.0), (2, 2.0), (2, 3.2))


def summary(discharge: int | None, charge: float, step: str, scene: Scene) -> dict[str, Any]:
    word = "um" if scene.voxel_um else "voxel"
    known = {"coulometry_um": thickness_um(charge), "closure": 1.02} if scene.voxel_um else {}
    return {
        "charge_mAh_cm2": charge,
        "charge_mAh": charge * 0.19635,
        "mean_current_mA_cm2": 0.55 if discharge == 1 else 1.1,
        "discharge_current_mA_cm2": 0.55 if discharge == 1 else 1.1,
        "soc": 1.0 - charge / 3.2,
        "discharge": discharge,
        "step": step,
        f"averaged_error_{word}": 0.2,
        f"complete_{word}": 0.3 * thickness_um(charge),
        f"complete_error_{word}": 0.4,
        **known,
    }


def make(tmp_path: Path, *cells: str, scene: Scene | None = None, **experiment: Any) -> Path:
    """The folder of the recording; cell B, where it is asked for, is another piece of foil."""
    recorder = Recorder(settings(tmp_path, *(cells or ("A",)), **experiment))
    for cell in cells or ("A",):
        look = scene or Scene(seed=3 if cell == "A" else 4)
        write_scan(recorder, look, 0, cell, **summary(None, 0.0, "rest", look))
        for scan, (discharge, charge) in enumerate(CHARGES, 1):
            step = "charge" if (discharge, charge) == (1, 1.0) else "discharge"
            more = summary(discharge, charge, step, look)
            write_scan(recorder, look, scan, cell, 100 * scan, **more)
    recorder.close()
    return recorder.folder
