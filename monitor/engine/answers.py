"""The reply to each request of a screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.engine.store import Store
from monitor.errors import BadMessage, PitwatchError
from monitor.records import OperatorRequest, map_units
from monitor.settings import Settings
from monitor.wire import questions as ask
from monitor.wire import results
from monitor.wire.fields import Frame, to_json

Section = Callable[[str, int | None, str, int], NDArray[Any]]


class Answers:
    """Answers requests out of the store. May be asked from several threads."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        section: Section | None,
        on_operator: Callable[[OperatorRequest], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._section = section
        self._on_operator = on_operator

    def is_slow(self, request: ask.Request) -> bool:
        """True where the answer needs a file, or the recorder's time."""
        if isinstance(request, ask.SectionRequest):
            return self._section is not None
        if isinstance(request, ask.MapRequest):
            return self._store.is_on_disk(request.cell, request.scan, request.name)
        return False

    def reply(self, request: ask.Request) -> list[Frame]:
        """Frames of the reply; whatever goes wrong becomes an error reply that says why."""
        try:
            return self._reply(request)
        except PitwatchError as error:
            return error_reply(str(error), request.tag)
        except Exception as error:  # a screen's question must not end the service
            return error_reply(f"{type(error).__name__}: {error}", request.tag)

    def _reply(self, request: ask.Request) -> list[Frame]:
        match request:
            case ask.StateRequest():
                text = self._store.state(request.since, request.engine)
                return [text[:-1] + b',"tag":%s}' % to_json(request.tag)]
            case ask.MapRequest():
                return self._map(request)
            case ask.SectionRequest():
                return self._cut(request)
            case ask.PitsRequest():
                scan = self._store.scan(request.cell, request.scan)
                columns = results.pit_columns(scan.pits, scan.start.length_unit)
                header = {"type": "pits", "cell": request.cell, "scan": scan.start.key.scan}
                return results.encode_reply({**header, "columns": columns, "tag": request.tag})
            case ask.CyclerRequest():
                columns = self._store.columns(request.cell, request.max_points)
                header = {"type": "cycler", "cell": request.cell, "tag": request.tag}
                return results.encode_reply({**header, "columns": columns})
            case ask.ScanOrder():
                return self._order(request)

    def _map(self, request: ask.MapRequest) -> list[Frame]:
        scan = self._store.scan(request.cell, request.scan)
        whole = self._store.map(scan, request.name)
        ny, nx = whole.shape
        y0, y1, x0, x1 = results.fit((ny, nx), request.window, request.shape)
        step = results.thinning((y1 - y0, x1 - x0), request.shape)
        start = scan.start
        header = {
            "type": "map",
            "cell": request.cell,
            "scan": start.key.scan,
            "name": request.name,
            "units": ""
            if request.name == "pit_labels"
            else map_units(request.name, start.length_unit),
            "length_unit": start.length_unit,
            "window": (y0, y1, x0, x1),
            "step": step,
            "voxel_size": start.voxel_size,
            "provisional": scan.provisional,
            "tag": request.tag,
        }
        kind = np.int32 if request.name == "pit_labels" else np.float32
        return results.encode_reply(header, whole[y0:y1:step, x0:x1:step].astype(kind, copy=False))

    def _cut(self, request: ask.SectionRequest) -> list[Frame]:
        self._store.check_cell(request.cell)
        if self._section is None:
            raise BadMessage("no_section", "slices are not recorded: there is no cross-section")
        # the running scan has slices before it has its first maps, so the store need not know it
        plane = self._section(request.cell, request.scan, request.axis, request.index)
        step = results.thinning((plane.shape[0], plane.shape[1]), request.shape)
        header = {
            "type": "section",
            "cell": request.cell,
            "scan": request.scan,
            "axis": request.axis,
            "index": request.index,
            "step": step,
            "tag": request.tag,
        }
        return results.encode_reply(header, plane[::step, ::step])

    def _order(self, request: ask.ScanOrder) -> list[Frame]:
        header = {"type": "request_scan", "cell": request.cell, "tag": request.tag}
        try:
            self._store.check_cell(request.cell)
            if self._settings.requests.backend == "none" and request.accepted:
                raise PitwatchError('no acquisition is connected: requests.backend is "none"')
            now = self._store.time_of(request.cell)
            wish = OperatorRequest(
                request.cell, request.reason, now, request.suggestion, request.accepted
            )
            self._on_operator(wish)
        except PitwatchError as error:
            return results.encode_reply({**header, "status": "refused", "why": str(error)})
        return results.encode_reply({**header, "status": "sent", "why": ""})


def error_reply(why: str, tag: str = "") -> list[Frame]:
    """Frames of a reply that says why there is no answer."""
    return results.encode_reply({"type": "error", "why": why, "tag": tag})
