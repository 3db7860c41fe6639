"""Startup script of a bluesky-queueserver RE manager: `RE`, and the plans that its queue may hold.

Environment: PITWATCH_CONFIG, a settings file of which [simulator], [schedule] and [[cells]] count
(without it the defaults); PITWATCH_MEMORY, a folder for what is to outlive a restart (without it,
nothing does).
There is no plan that waits: a periodic scan is added to the queue when it is due, so that an extra
scan at the front of the queue never waits for more than the scan that runs.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky import RunEngine
from bluesky.utils import DuringTask

from monitor.records import Reason
from monitor.settings import Settings, load
from simulators import build
from simulators.devices.scan import ScanOrder
from simulators.plans import Plan
from simulators.queueserver.station import Station

SUBSCRIBER_PATIENCE_S = 30.0

_config = os.environ.get("PITWATCH_CONFIG")
_memory = os.environ.get("PITWATCH_MEMORY")
_settings = load(Path(_config)) if _config else Settings()
_slices = build.slice_socket(_settings, threading.Event())
_stations = {
    station.name: station
    for station in (
        Station(
            _settings,
            index,
            _slices,
            Path(_memory) / f"{cell.name}.json" if _memory else None,
        )
        for index, (cell, _) in enumerate(build.paired(_settings))
    )
}
_heard = threading.Event()

RE = RunEngine({}, during_task=DuringTask())


def periodic_scan(cell: str) -> Plan:
    """The next scan of the schedule of one cell; its first is the reference."""
    yield from _scan(cell, lambda station: station.periodic())


def extra_scan(cell: str, reason: str = "extra", request: str = "", after_scan: int = -1) -> Plan:
    """One scan that answers a request of the monitor, whose id goes into the scan's header."""
    kind: Reason = "manual" if reason == "manual" else "extra"
    yield from _scan(cell, lambda station: station.extra(kind, request))


def _scan(cell: str, ordered: Callable[[Station], ScanOrder]) -> Plan:
    station = _stations.get(cell)
    if station is None:
        raise ValueError(f"cell: got {cell!r}, expected one of {', '.join(_stations)}")
    yield from _somebody_listens()
    order = ordered(station)
    metadata = {"cell": cell, "scan": order.scan, "reason": order.reason, "request": order.request}
    scan = bpp.run_wrapper(_one(station, order), md=metadata)
    yield from bpp.stage_wrapper(scan, [station.tomograph])  # one that is aborted ends its stream


def _one(station: Station, order: ScanOrder) -> Plan:
    yield from bps.prepare(station.tomograph, order, wait=True)
    yield from bps.trigger(station.tomograph, wait=True)
    station.ended()
    yield from bps.create(name="scans")
    yield from bps.read(station.tomograph)
    yield from bps.save()


def _somebody_listens() -> Plan:
    """Slices that nobody has subscribed to would be lost, the more so after a restart."""
    for _ in range(int(SUBSCRIBER_PATIENCE_S / 0.1)):
        if _heard.is_set() or _slices.wait_for_subscriber(0.05):
            _heard.set()
            return
        yield from bps.sleep(0.05)
