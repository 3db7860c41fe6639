"""`python -m tests.studies.validation [--quick] [--out DIR]`: heights, pits and thickness against
truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tests.studies.validation import disturbed, figures, heights, paper, pits, places, report
from tests.studies.validation.targets import Check, checks

Results = dict[str, Any]
Moments = dict[str, list[paper.Moment]]

FIELD_PX, QUICK_PX = 256, 112
PIT_FREE_SCANS, QUICK_PIT_FREE_SCANS, PIT_FREE_PX = 300, 3, 128


def measure(moments: Moments, n: int, *, quick: bool) -> Results:
    """All figures, JSON-ready, from fields of n × n pixels and the scans of the paper's cells."""
    free = QUICK_PIT_FREE_SCANS if quick else PIT_FREE_SCANS
    return {
        "cnr": heights.against_cnr(n, quick=quick),
        "places": places.by_place(n),
        "phase": [] if quick else places.by_phase(n // 2),
        "shape": [] if quick else heights.against_shape(n),
        "blur": heights.against_blur(n, quick=quick),
        "drift": disturbed.against_drift(n, quick=quick),
        "holes": disturbed.against_holes(n, quick=quick),
        "kept": [pits.kept(n)],
        "by_size": pits.by_size(n, quick=quick),
        "merged": [pits.merged(n)],
        "nothing": [pits.nothing_there(PIT_FREE_PX, free)],
        "table": [paper.table_row(name, scans) for name, scans in moments.items()],
        "currents": [] if quick else paper.local_currents(moments["paper-0.55"]),
        "curves": {name: paper.curve(scans) for name, scans in moments.items()},
    }


def draw(folder: Path, results: Results, moments: Moments) -> None:
    """All figures of the page."""
    figures.rms_against_cnr(folder / "rms.png", results["cnr"])
    figures.z_scores(folder / "z.png", results["cnr"])
    figures.maps(folder / "maps.png", heights.example(QUICK_PX))
    figures.artefacts(folder / "artefacts.png", results)
    figures.pits(folder / "pits.png", results["kept"][0], results["by_size"])
    figures.paper(folder / "paper.png", moments, results["curves"])
    figures.currents(folder / "currents.png", moments)


def run(folder: Path, *, quick: bool = False) -> list[Check]:
    """Writes page, figures and numbers.json to `folder`; returns what was promised and measured."""
    folder.mkdir(parents=True, exist_ok=True)
    n = QUICK_PX if quick else FIELD_PX
    moments = {name: paper.experiment(name, n, quick=quick) for name in paper.PUBLISHED}
    results = measure(moments, n, quick=quick)
    draw(folder, results, moments)
    promised = checks(results)
    report.write(folder / "index.html", results, promised, quick=quick)
    (folder / "numbers.json").write_text(json.dumps(_plain(results), indent=1), "utf-8")
    return promised


def _plain(value: Any) -> Any:
    """With null for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def main() -> None:
    """Write the page and say which targets are missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.validation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small fields, within a minute")
    folder = Path("runs/validation")
    parser.add_argument("--out", type=Path, default=folder, help=f"folder of the page: {folder}")
    chosen = parser.parse_args()
    promised = run(chosen.out, quick=chosen.quick)
    for check in promised:
        if not check.met:
            print(f"missed: {check.name}: {check.value:.3f}, target {check.sign} {check.limit:g}")
    met = sum(check.met for check in promised)
    print(f"{met} of {len(promised)} targets are met; {chosen.out / 'index.html'}")


if __name__ == "__main__":
    main()
