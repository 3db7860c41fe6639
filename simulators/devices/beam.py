"""The beam: what the RunEngine's suspenders watch, and the ring current that is published."""

from __future__ import annotations

from typing import Any

from bluesky.suspenders import SuspendBoolHigh, SuspenderBase, SuspendFloor
from ophyd import Component, Device
from ophyd.status import Status

from simulators.devices.signals import SignalWithUnits
from simulators.truth.protocol import CellTime

FULL_CURRENT_MA = 200.0
LOST_BELOW_MA, BACK_ABOVE_MA = 100.0, 150.0
TOP_UP_S, DECAY_MA = 1200.0, 2.0
"""Time from one top-up to the next, and by how much the ring current falls meanwhile."""


class Beam(Device):
    """Current of the storage ring (mA), and whether the safety shutter is closed."""

    ring_current = Component(SignalWithUnits, value=FULL_CURRENT_MA, units="mA", precision=1)
    shutter_closed = Component(SignalWithUnits, value=False)

    def suspenders(self, settle_s: float = 0.0) -> list[SuspenderBase]:
        """For `RunEngine.install_suspender`: no scan without beam, nor until it has been back for
        `settle_s` s by this machine's clock."""
        return [
            SuspendFloor(
                self.ring_current,
                LOST_BELOW_MA,
                resume_thresh=BACK_ABOVE_MA,
                sleep=settle_s,
                tripped_message="the stored beam was lost",
            ),
            SuspendBoolHigh(
                self.shutter_closed, sleep=settle_s, tripped_message="the shutter was closed"
            ),
        ]


class Ring(Device):
    """Reads `<name>_current` (mA) at cell time: what is left of the beam's current since the last
    top-up."""

    current = Component(
        SignalWithUnits, value=FULL_CURRENT_MA, units="mA", precision=2, kind="hinted"
    )

    def __init__(self, *, name: str, beam: Beam, time: CellTime, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._beam = beam
        self._time = time

    def trigger(self) -> Status:
        """Reads the current at the present cell time."""
        time = self._time.now
        stored = float(self._beam.ring_current.get())
        left = 1.0 - DECAY_MA / FULL_CURRENT_MA * (time % TOP_UP_S) / TOP_UP_S
        self.current.put(stored * left, timestamp=time)
        status = Status(self)
        status.set_finished()
        return status
