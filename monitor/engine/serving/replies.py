"""The reply to each request of a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.engine.access import Gate
from monitor.engine.serving.grain_boundaries import Boundaries, is_asked
from monitor.engine.serving.map_replies import is_slow, map_reply, profile_reply, statistics_reply
from monitor.engine.serving.orders import Orders
from monitor.engine.serving.pit_history import pit_history
from monitor.engine.serving.state import Store
from monitor.errors import BadMessage, PitwatchError
from monitor.records import Order
from monitor.settings import Settings
from monitor.wire.fields import Frame
from monitor.wire.results import queries as ask
from monitor.wire.results import replies
from monitor.wire.results.headers import SectionHeader, TableHeader
from monitor.wire.results.state import Role

Section = Callable[[str, int | None, str, int], NDArray[Any]]
MANY_ROWS = 5000
"""Number of rows from which a table takes longer than a small reply may."""


class Answers:
    """Answers requests from the store. May be called from several threads."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        section: Section | None,
        gate: Gate,
        on_operator: Callable[[Order], None],
    ) -> None:
        self._store = store
        self._section = section
        self._boundaries = Boundaries(settings, store)
        self._orders = Orders(settings, store, gate, on_operator)

    def is_slow(self, request: ask.Request) -> bool:
        """True if the answer needs a file, the recorder's time, or much arithmetic."""
        if is_asked(request):
            return True
        match request:
            case ask.SectionRequest():
                return self._section is not None
            case ask.MapRequest() | ask.StatisticsRequest() | ask.ProfileRequest():
                return is_slow(self._store, request)
            case ask.PitsRequest():
                return len(self._store.scan(request.cell, request.scan).pits) > MANY_ROWS
            case ask.CyclerRequest() | ask.ChannelRequest():
                return request.max_points > MANY_ROWS
            case ask.PitHistoryRequest():
                return True
        return False

    def reply(self, request: ask.Request, role: Role) -> list[Frame]:
        """Frames of the reply to a client of this role; whatever goes wrong becomes an error reply
        that says why."""
        try:
            return self._reply(request, role)
        except PitwatchError as error:
            return error_reply(str(error), request.tag)
        except Exception as error:  # a screen's question must not end the service
            return error_reply(f"{type(error).__name__}: {error}", request.tag)

    def _reply(self, request: ask.Request, role: Role) -> list[Frame]:
        match request:
            case ask.StateRequest():
                since, engine = request.since, request.engine
                tag, changes = request.tag, request.changes
                return [self._store.state(since, engine, role, changes=changes, tag=tag)]
            case ask.EventsRequest():
                return [self._store.events(request)]
            case ask.MapRequest():
                if is_asked(request):
                    return self._boundaries.reply(request)
                return map_reply(self._store, request)
            case ask.StatisticsRequest():
                return statistics_reply(self._store, request)
            case ask.ProfileRequest():
                return profile_reply(self._store, request)
            case ask.SectionRequest():
                return self._cut(request)
            case ask.PitsRequest():
                scan = self._store.scan(request.cell, request.scan)
                columns = replies.pit_columns(scan.pits, scan.start.length_unit)
                return _about("pits", request, {"scan": scan.start.key.scan, "columns": columns})
            case ask.PitHistoryRequest():
                history = pit_history(self._store.finals(request.cell), request.pit)
                return _about("pit_history", request, {"pit": request.pit, **history})
            case ask.CyclerRequest():
                readings = self._store.columns(request)
                if not request.rows:
                    return _about("cycler", request, {"columns": readings})
                return _about("cycler", request, {"names": [*readings]}, [*readings.values()])
            case ask.ChannelRequest():
                unit, rows = self._store.channel(request)
                facts: TableHeader = {
                    "name": request.name, "units": unit, "names": ("time", "value"),
                }  # fmt: skip
                return _about("channel", request, facts, list(rows))
            case ask.ScanOrder() | ask.PolicyOrder() | ask.NoteOrder() | ask.AcknowledgeOrder():
                return self._orders.reply(request, role)

    def _cut(self, request: ask.SectionRequest) -> list[Frame]:
        self._store.check_cell(request.cell)
        if self._section is None:
            raise BadMessage("no_section", "slices are not recorded: there is no cross-section")
        # the running scan has slices before it has its first maps, so the store need not know it
        plane = self._section(request.cell, request.scan, request.axis, request.index)
        step = replies.thinning((plane.shape[0], plane.shape[1]), request.shape)
        header: SectionHeader = {
            "type": "section",
            "cell": request.cell,
            "scan": request.scan,
            "axis": request.axis,
            "index": request.index,
            "step": step,
            "tag": request.tag,
        }
        return replies.encode_reply(header, plane[::step, ::step])


def _about(
    kind: str,
    request: ask.PitsRequest | ask.PitHistoryRequest | ask.CyclerRequest | ask.ChannelRequest,
    facts: TableHeader,
    rows: Sequence[NDArray[Any]] | None = None,
) -> list[Frame]:
    header: TableHeader = {"type": kind, "cell": request.cell, "tag": request.tag, **facts}
    return replies.encode_reply(header, None if rows is None else np.array(rows))


def error_reply(why: str, tag: str = "") -> list[Frame]:
    """Frames of a reply that says why there is no answer."""
    return replies.encode_reply({"type": "error", "why": why, "tag": tag})
