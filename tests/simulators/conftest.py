import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import zmq

from monitor.processes import free_addresses
from monitor.settings import Settings
from monitor.wire import documents
from monitor.wire.slices import stins
from simulators import run, scenarios


@pytest.fixture
def endpoint() -> str:
    return free_addresses(1)[0]


@dataclass
class Capture:
    """All that a simulated beamline sent: stins messages as (header bytes, record), documents."""

    slices: list[tuple[bytes, Any]] = field(default_factory=list)
    documents: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def records(self, kind: type) -> list[Any]:
        return [record for _, record in self.slices if isinstance(record, kind)]


@pytest.fixture(scope="module")
def quick_settings() -> Callable[..., Settings]:
    def build(scenario: str, **simulator: Any) -> Settings:
        ends = ("slices", "resend", "requests", "documents_in", "documents_out")
        table = {
            "size": 64,
            "speed": 40000.0,
            **dict(zip(ends, free_addresses(len(ends)), strict=True)),
        }
        base = Settings.model_validate({"simulator": table | simulator})
        return scenarios.settings_for(scenario, base)

    return build


@pytest.fixture(scope="module")
def capture() -> Iterator[Callable[..., Capture]]:
    """Runs `simulate` in a thread and receives until it has ended; `watch` sees each record."""
    patch = pytest.MonkeyPatch()
    patch.setattr(run, "LINGER_S", 0.3)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def capture(settings: Settings, watch: Callable[[Any], None] = lambda record: None) -> Capture:
        slices, docs = context.socket(zmq.SUB), context.socket(zmq.SUB)
        poller = zmq.Poller()
        for socket, address in (
            (slices, settings.simulator.slices),
            (docs, settings.simulator.documents_out),
        ):
            socket.rcvhwm = 0
            socket.linger = 0
            socket.subscribe(b"")
            socket.connect(address)
            poller.register(socket)
        stop, got = threading.Event(), Capture()
        beamline = threading.Thread(
            target=run.simulate,
            args=(settings,),
            kwargs={"stop": stop, "progress": lambda text: None},
        )
        beamline.start()
        try:
            while beamline.is_alive() or poller.poll(50):
                for socket, _ in poller.poll(50):
                    if socket is slices:
                        frames = socket.recv_multipart()
                        got.slices.append((frames[0], stins.decode(frames)))
                        watch(got.slices[-1][1])
                    else:
                        document = documents.decode(socket.recv())
                        got.documents.append((document.name, dict(document.doc)))
                        watch(document)
        finally:
            stop.set()
            beamline.join(60.0)
            slices.close(0)
            docs.close(0)
        return got

    yield capture
    context.term()
    patch.undo()
