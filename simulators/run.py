"""The simulated beamline as a whole: devices, plan, RunEngine, and their sockets."""

from __future__ import annotations

import threading
import time as wall
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from bluesky import RunEngine
from bluesky.callbacks.zmq import Publisher

from monitor.errors import EngineUnreachable
from monitor.settings import Settings
from monitor.sources.feeds.documents_proxy import DocumentsProxy
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import LINGER_MS
from monitor.watch import Watcher
from monitor.wire import documents
from simulators import build
from simulators.devices.beam import Beam
from simulators.mailbox import Mailbox
from simulators.plans import acquire
from simulators.truth.protocol import CellTime

ENGINE_PATIENCE_S = 600.0
SUBSCRIBER_PATIENCE_S = 30.0
SETTLING_S = 0.5
LINGER_S = 1.0

DocumentCallback = Callable[[str, Mapping[str, object]], object]


def simulate(
    settings: Settings,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[str], None] = print,
    beam: Beam | None = None,
    callbacks: Sequence[DocumentCallback] = (),
    engine_at: str = "",
) -> None:
    """Runs the scenario of `settings.simulator` to its end, or until `stop` is set.

    Begins once the engine at `engine_at`, if given, takes messages, and somebody has subscribed to
    the slices (neither is waited for forever). While `beam` is lost, no scan is made.
    `callbacks` get the documents, in cell time, as whoever subscribes does (a TiledWriter, say).
    Raises SettingError if the scenario or an address is wrong, EngineUnreachable.
    """
    stop = stop or threading.Event()
    simulator = settings.simulator
    cells = [cell.name for cell, _ in build.paired(settings)]
    codec = settings.feeds.document_codec
    with ExitStack() as stack:
        proxy = DocumentsProxy(
            simulator.documents_in,
            simulator.documents_out,
            "simulator.documents_in, documents_out",
        )
        stack.callback(lambda: proxy.close(_linger_ms(stop)))
        mailbox = Mailbox(simulator.requests, cells)
        stack.callback(mailbox.close, LINGER_S)
        slices = build.slice_socket(settings, stop)
        stack.callback(lambda: slices.close(_linger_ms(stop)))
        resend = None
        if simulator.resend:
            resend = ResendService(simulator.resend, setting="simulator.resend")
            stack.callback(resend.close)
        publisher = Publisher(simulator.documents_in, serializer=documents.serializer(codec))
        stack.callback(publisher.close)
        if engine_at and not _takes_messages(engine_at, stop):
            return
        if not slices.wait_for_subscriber(SUBSCRIBER_PATIENCE_S):
            progress("no subscriber for the slices yet; starting anyway")
        stop.wait(SETTLING_S)
        engine = build.run_engine()
        beam = beam or Beam(name="beam")
        stack.callback(build.close, engine)
        beamline = build.acquisition(
            settings,
            slices=slices,
            mailbox=mailbox,
            resend=resend,
            engine=engine,
            beam=beam,
            stop=stop,
            progress=progress,
        )
        for callback in (publisher, *callbacks):
            engine.subscribe(in_cell_time(callback, beamline.time))
        for suspender in beam.suspenders():
            engine.install_suspender(suspender)
        with _suspended_no_longer_than(stop, engine):
            engine(acquire(beamline))
        wall.sleep(0.0 if stop.is_set() else LINGER_S)


def _linger_ms(stop: threading.Event) -> int:
    """How long what is sent may wait for an engine that is behind."""
    return int(1000 * LINGER_S) if stop.is_set() else LINGER_MS


def _takes_messages(engine: str, stop: threading.Event) -> bool:
    """Waits for that; False once `stop` is set. Raises EngineUnreachable."""
    watcher = Watcher(engine)
    try:
        watcher.until(lambda s: bool(s["feeds"]), ENGINE_PATIENCE_S, lambda: not stop.is_set())
    except EngineUnreachable:
        if not stop.is_set():
            raise
    finally:
        watcher.close()
    return not stop.is_set()


def in_cell_time(publish: DocumentCallback, time: CellTime) -> DocumentCallback:
    """A document callback that puts cell time in place of the RunEngine's own clock."""

    def stamped(name: str, doc: Mapping[str, object]) -> None:
        publish(name, {**doc, "time": time.now} if "time" in doc else doc)

    return stamped


@contextmanager
def _suspended_no_longer_than(stop: threading.Event, engine: RunEngine) -> Iterator[None]:
    """A plan that is suspended cannot see `stop`: without suspenders it continues, and sees it."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if stop.is_set():
                engine.clear_suspenders()
                return

    thread = threading.Thread(target=watch, name="suspenders", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5.0)
