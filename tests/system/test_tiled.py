"""A run of our plan, read back by a stock Tiled client: volumes, cycler, what the run says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.processes import free_addresses
from monitor.records import SliceFrame
from tests.simulators.rig import BEGIN, PERIOD_S, SCAN_S, Rig

pytest.importorskip("tiled.server", reason="Tiled is not installed (pip install '.[test]')")
pytestmark = [  # of Tiled's client and of bluesky's writer, which lag behind what they stand on
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`"),
    pytest.mark.filterwarnings("ignore:The order of arguments has changed.*append_partition"),
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Rig]]:
    """The run in a Tiled catalogue, and the beamline that made it."""
    from bluesky.callbacks.tiled_writer import TiledWriter
    from tiled.catalog import in_memory
    from tiled.client import Context, from_context
    from tiled.server.app import build_app

    folder: Path = tmp_path_factory.mktemp("tiled")
    catalogue = in_memory(
        writable_storage=[str(folder / "written"), f"sqlite:///{folder}/tables.db"],
        readable_storage=[str(folder)],
    )
    with Context.from_app(build_app(catalogue)) as context:
        client = from_context(context)
        (endpoint,) = free_addresses(1)
        rig = Rig(endpoint, scans=3, volumes=folder / "volumes")
        try:
            rig.engine.subscribe(TiledWriter(client))
            rig.start()
            rig.joined()
        finally:
            rig.close()
        rig.check()
        yield client.values().first(), rig


def test_every_volume_is_the_one_that_was_streamed(measured: tuple[Any, Rig]) -> None:
    run, rig = measured
    volumes = run["scans"]["id15a_volume"]
    assert volumes.shape == (3, 40, 64, 64) and volumes.dtype == np.uint16
    sent = rig.slices.of(SliceFrame)
    for scan in range(3):
        streamed = np.stack([frame.data for frame in sent if frame.scan == scan])
        np.testing.assert_array_equal(volumes[scan], streamed)


def test_the_scans_and_the_cycler_are_streams_of_their_own(measured: tuple[Any, Rig]) -> None:
    run, rig = measured
    scans, cycler = run["scans"], run["cycler"]
    assert scans["id15a_scan"][:].tolist() == [0, 1, 2]
    assert scans["id15a_reason"][:].tolist() == ["reference", "periodic", "periodic"]
    begins = scans["id15a_start_time"][:]
    np.testing.assert_allclose(begins, BEGIN + PERIOD_S * np.arange(3))
    np.testing.assert_allclose(scans["id15a_stop_time"][:] - begins, SCAN_S)
    times = cycler["ts_vmp_current"][:]
    np.testing.assert_allclose(times, rig.reading_times)
    flowing = times > BEGIN + SCAN_S
    assert (cycler["vmp_current"][:][flowing] == -0.2 * 0.2).all()
    charge = cycler["vmp_charge"][:]
    hours = (times[-1] - BEGIN - SCAN_S) / 3600.0
    assert charge[-1] == pytest.approx(-0.2 * 0.2 * hours, rel=1e-9)


def test_the_run_says_what_it_is(measured: tuple[Any, Rig]) -> None:
    run, _ = measured
    start, stop = run.metadata["start"], run.metadata["stop"]
    assert start["cell"] == "A" and start["plan_name"] == "acquire"
    assert stop["exit_status"] == "success" and stop["num_events"]["scans"] == 3
    configuration = run["scans"].metadata["configuration"]["id15a"]["data"]
    assert any(key.endswith("voxel_size") for key in configuration)
