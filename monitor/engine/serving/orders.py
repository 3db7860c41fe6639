"""Turns operators' orders into records for the session, or refuses them with the reason."""

from __future__ import annotations

from collections.abc import Callable

from monitor.engine.access import Gate
from monitor.engine.serving.state import Store
from monitor.errors import PitwatchError
from monitor.records import Acknowledgement, OperatorNote, OperatorRequest, PolicyChange
from monitor.records import Order as Ordered
from monitor.settings import Settings
from monitor.wire.fields import Frame
from monitor.wire.results.headers import Header
from monitor.wire.results.queries import (
    NAMES,
    AcknowledgeOrder,
    NoteOrder,
    Order,
    PolicyOrder,
    ScanOrder,
)
from monitor.wire.results.replies import encode_reply
from monitor.wire.results.state import Role

VIEWER = (
    "your key is listed as a viewer's and does not permit changes; ask an operator, or have it "
    "listed in the engine's security.operators"
)


class Orders:
    """Passes orders on with the time of the data. Raises nothing: the reply to a refused order
    gives the reason."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        gate: Gate,
        on_operator: Callable[[Ordered], None],
    ) -> None:
        """`on_operator` raises PitwatchError for what it does not take."""
        self._backend = settings.requests.backend
        self._store = store
        self._gate = gate
        self._on_operator = on_operator

    def reply(self, order: Order, role: Role) -> list[Frame]:
        """Reply to an order of a client with this role: sent or refused."""
        header: Header = {"type": NAMES[type(order)], "cell": order.cell, "tag": order.tag}
        try:
            if role != "operator":
                self._gate.refused_order()
                raise PitwatchError(VIEWER)
            if self._store.may_order:
                raise PitwatchError(self._store.may_order)
            if order.cell or not isinstance(order, NoteOrder | AcknowledgeOrder):
                self._store.check_cell(order.cell)
            self._on_operator(self._record(order))
        except PitwatchError as error:
            return encode_reply({**header, "status": "refused", "why": str(error)})
        return encode_reply({**header, "status": "sent", "why": ""})

    def _record(self, order: Order) -> Ordered:
        now = self._store.time_of(order.cell)
        match order:
            case ScanOrder():
                if self._backend == "none" and order.accepted:
                    why = 'no acquisition is connected: requests.backend is "none"'
                    raise PitwatchError(why)
                wish = (order.cell, order.reason, now, order.suggestion, order.accepted)
                return OperatorRequest(*wish, order.why, order.by)
            case PolicyOrder():
                return PolicyChange(order.cell, order.mode, order.max_scans, order.by, now)
            case NoteOrder():
                return OperatorNote(order.cell, order.text, order.by, order.scan, now)
            case AcknowledgeOrder():
                if not self._store.alarm_waits(order.cell, order.number):
                    raise PitwatchError(
                        f"alarm {order.number} is not waiting: it has already been "
                        "acknowledged, or does not exist"
                    )
                return Acknowledgement(order.cell, order.number, order.by, now)
