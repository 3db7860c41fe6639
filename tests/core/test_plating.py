"""A charge that grows moss, through the session: two surfaces, porosity, lithium conserved."""

import numpy as np
import pytest
from scipy.special import ndtr

from monitor.core.session import Session
from monitor.faraday import UM_PER_MAH_CM2
from monitor.records import CyclerDocument, ScanResult
from tests.core.experiment import AREA_CM2, settings
from tests.core.phantom import LEVELS, records, start

SHAPE = (120, 64, 64)
DENSE, POROSITY, BLUR, NOISE = 66.3, 0.26, 0.8, 20.0
BOTTOM = 20.2


def slices(moss, seed):
    """(120, 64, 64) uint16: collector, lithium, `moss` voxels of moss, electrolyte."""
    collector, lithium, electrolyte = LEVELS
    z = np.arange(SHAPE[0], dtype=float)
    grey = collector + (lithium - collector) * ndtr((z - BOTTOM) / BLUR)
    if moss:
        grey += POROSITY * (electrolyte - lithium) * ndtr((z - DENSE) / BLUR)
        grey += (1 - POROSITY) * (electrolyte - lithium) * ndtr((z - DENSE - moss) / BLUR)
    else:
        grey += (electrolyte - lithium) * ndtr((z - DENSE) / BLUR)
    noise = np.random.default_rng(seed).normal(0, NOISE, SHAPE)
    return np.clip(np.rint(grey[:, None, None] + noise), 0, 65535).astype(np.uint16)


def charge(until_s, plated_mAh):
    """Documents of a cycler that plates at a constant current from 0 s on."""
    yield CyclerDocument("start", {"uid": "r", "time": 0.0, "cell": "A"})
    yield CyclerDocument("descriptor", {"uid": "d", "run_start": "r", "time": 0.0, "data_keys": {}})
    for k, time in enumerate(np.linspace(0, until_s, 31)):
        share = time / until_s
        data = {
            "vmp_potential": 2.4,
            "vmp_current": plated_mAh / until_s * 3600,
            "vmp_charge": plated_mAh * share,
        }
        stamps = dict.fromkeys(data, float(time))
        yield CyclerDocument(
            "event",
            {"descriptor": "d", "uid": f"e{k}", "time": time, "data": data, "timestamps": stamps},
        )


@pytest.fixture(scope="module")
def results():
    session, found = Session(settings()), []
    moss = 24.0
    plated_um = (1 - POROSITY) * moss  # the phantom's voxels are 1 µm
    feed = [*records(start(SHAPE, scan=0, voxel_um=1.0), slices(0, 1))]
    begin = start(SHAPE, scan=1, voxel_um=1.0)
    feed += charge(begin.stop_time, plated_um / UM_PER_MAH_CM2 * AREA_CM2)
    feed += records(begin, slices(moss, 2))
    for record in feed:
        found += [o for o in session.feed(record) if isinstance(o, ScanResult)]
    # the reference came before the readings, and is corrected: its last result counts
    return list({one.key: one for one in found if not one.provisional}.values())


def test_before_the_charge_there_is_no_deposit(results):
    assert "deposit_front" not in results[0].maps
    assert "moss_porosity" not in results[0].summary


def test_both_surfaces_are_found_where_they_are(results):
    maps = results[1].maps
    height, front = maps["height"], maps["deposit_front"]
    assert np.isfinite(height).mean() > 0.98
    assert np.sqrt(np.nanmean((height - (DENSE - BOTTOM)) ** 2)) < 1.0
    assert np.sqrt(np.nanmean((front - (DENSE + 24.0 - BOTTOM)) ** 2)) < 0.5


def test_porosity_by_grey_level_and_by_charge_agree(results):
    summary = results[1].summary
    assert summary["moss_porosity"] == pytest.approx(POROSITY, abs=0.02)
    # the scan's maps belong to its middle, when not all of the charge had flowed
    assert summary["moss_porosity_by_charge"] == pytest.approx(POROSITY, abs=0.04)


def test_lithium_is_conserved(results):
    assert results[1].summary["plated_um"] == pytest.approx((1 - POROSITY) * 24.0, rel=0.03)
    assert np.nanmean(results[1].maps["removal"]) == pytest.approx(-(1 - POROSITY) * 24, rel=0.03)
