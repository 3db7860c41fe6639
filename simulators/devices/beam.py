"""The beam: what the RunEngine's suspenders watch."""

from __future__ import annotations

from bluesky.suspenders import SuspendBoolHigh, SuspenderBase, SuspendFloor
from ophyd import Component, Device

from simulators.devices.signals import SignalWithUnits

FULL_CURRENT_MA = 200.0
LOST_BELOW_MA, BACK_ABOVE_MA = 100.0, 150.0


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
