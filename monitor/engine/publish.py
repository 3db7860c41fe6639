"""Results out: status messages by PUB, answers by ROUTER, both served by one thread."""

from __future__ import annotations

import contextlib
import errno
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from monitor.engine.store import Store, StoredMap
from monitor.errors import BadMessage, PitwatchError, SettingError
from monitor.records import (
    CyclerReading,
    Event,
    OperatorRequest,
    ScanRequest,
    ScanResult,
    map_units,
)
from monitor.settings import Settings
from monitor.wire import results

Section = Callable[[str, int | None, str, int], NDArray[Any]]

HEARTBEAT_S = 1.0
REPLIES_WAITING_PER_SCREEN = 32
STATUS_WAITING_PER_SCREEN = 1000


class Publisher:
    """Keeps the newest results and serves any number of screens; none of them can slow the writer.

    One thread, the compute thread, calls `update`. `section`, `stored_map` and `on_operator` are
    called in the serving thread. Raises PitwatchError where an address cannot be bound.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        section: Section | None,
        on_operator: Callable[[OperatorRequest], None],
        stored_map: StoredMap | None,
        mode: str = "live",
    ) -> None:
        self._settings = settings
        self._section = section
        self._on_operator = on_operator
        self._store = Store(settings, stored_map, mode)
        self._stop = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._pub = self._bind(zmq.PUB, "results.status", settings.results.status)
            self._router = self._bind(zmq.ROUTER, "results.pull", settings.results.pull)
        except PitwatchError:
            self._context.destroy(linger=0)
            raise
        self.status_address = self._pub.getsockopt_string(zmq.LAST_ENDPOINT)
        self.pull_address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._serve, name="publish", daemon=True)
        self._thread.start()

    def update(
        self,
        outputs: Iterable[Event | ScanResult | ScanRequest],
        *,
        feeds: Mapping[str, Any],
        running: Mapping[str, Mapping[str, Any] | None],
        cycler: Mapping[str, CyclerReading],
        recorder: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes what one message brought. The mappings are kept: do not change them afterwards."""
        self._store.update(outputs, feeds, running, cycler, recorder)
        if self._store.outbox:
            self._nudge()

    def close(self) -> None:
        """Sends what waits, stops serving and frees the addresses."""
        self._stop.set()
        self._nudge()
        self._thread.join(timeout=10)
        self._wake.close()
        self._woken.close()

    def _nudge(self) -> None:
        # where the last nudges are still unread the thread wakes anyway; where it has ended, let it
        with contextlib.suppress(OSError):
            self._wake.send(b"1")

    def _bind(self, kind: int, setting: str, address: str) -> zmq.Socket[bytes]:
        if address.startswith("tcp://") and not address.startswith(
            ("tcp://127.", "tcp://localhost:")
        ):
            raise SettingError(
                setting,
                got=address,
                expected="an address of this machine alone, such as tcp://127.0.0.1:5611",
                todo="reach it from elsewhere through an ssh tunnel",
            )
        made = self._context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(
            zmq.SNDHWM,
            REPLIES_WAITING_PER_SCREEN if kind == zmq.ROUTER else STATUS_WAITING_PER_SCREEN,
        )
        try:
            made.bind(address)
        except zmq.ZMQError as error:
            if error.errno == errno.EADDRINUSE:
                why = "is in use; stop the other engine, or set another port"
            else:
                why = f"cannot be bound ({error}); expected something like tcp://127.0.0.1:5611"
            raise PitwatchError(f"{setting}: {address} {why}") from None
        return made

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        beat = time.monotonic()
        try:
            while not self._stop.is_set():
                ready = dict(poller.poll(max(0, math.ceil((beat - time.monotonic()) * 1000))))
                if self._woken.fileno() in ready:
                    self._woken.recv(4096)
                if time.monotonic() >= beat:
                    beat = time.monotonic() + HEARTBEAT_S
                    self._store.heartbeat()
                self._publish()
                if self._router in ready:
                    self._answer()
            self._publish()
        finally:
            # what was just handed to PUB needs a moment to leave
            self._pub.close(linger=200)
            self._context.destroy(linger=0)

    def _publish(self) -> None:
        while self._store.outbox:
            self._pub.send(self._store.outbox.popleft())

    def _answer(self) -> None:
        """Answers what waits, a few at a time so that status messages keep their turn."""
        for _ in range(16):
            try:
                client, *frames = self._router.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            tag = ""
            try:
                request = results.decode_request(frames)
                tag = request.tag
                reply = self._reply(request)
            except PitwatchError as error:
                reply = _error(str(error), tag)
            except Exception as error:  # a screen's question must not end the service
                reply = _error(f"{type(error).__name__}: {error}", tag)
            # a screen that has gone or is frozen asks again when it lives
            with contextlib.suppress(zmq.ZMQError):
                self._router.send_multipart([client, *reply], zmq.DONTWAIT, copy=False)

    def _reply(self, request: results.Request) -> list[results.Frame]:
        match request:
            case results.StateRequest():
                text = self._store.state(request.since, request.engine)
                return [text[:-1] + b',"tag":%s}' % results.to_json(request.tag)]
            case results.MapRequest():
                return self._map(request)
            case results.SectionRequest():
                return self._cut(request)
            case results.PitsRequest():
                scan = self._store.scan(request.cell, request.scan)
                columns = results.pit_columns(scan.pits, scan.start.length_unit)
                header = {"type": "pits", "cell": request.cell, "scan": scan.start.key.scan}
                return results.encode_reply({**header, "columns": columns, "tag": request.tag})
            case results.CyclerRequest():
                columns = self._store.columns(request.cell, request.max_points)
                header = {"type": "cycler", "cell": request.cell, "tag": request.tag}
                return results.encode_reply({**header, "columns": columns})
            case results.ScanOrder():
                return self._order(request)

    def _map(self, request: results.MapRequest) -> list[results.Frame]:
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

    def _cut(self, request: results.SectionRequest) -> list[results.Frame]:
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

    def _order(self, request: results.ScanOrder) -> list[results.Frame]:
        header = {"type": "request_scan", "cell": request.cell, "tag": request.tag}
        try:
            self._store.check_cell(request.cell)
            if self._settings.requests.backend == "none":
                raise PitwatchError('no acquisition is connected: requests.backend is "none"')
            now = self._store.time_of(request.cell)
            self._on_operator(OperatorRequest(request.cell, request.reason, now))
        except PitwatchError as error:
            return results.encode_reply({**header, "status": "refused", "why": str(error)})
        return results.encode_reply({**header, "status": "sent", "why": ""})


def _error(why: str, tag: str) -> list[results.Frame]:
    return results.encode_reply({"type": "error", "why": why, "tag": tag})
