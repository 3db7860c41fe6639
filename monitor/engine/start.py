"""Runs an engine on live feeds until it is ended, or ends with an error that is reported."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Callable
from pathlib import Path

from monitor.engine.access import Gate
from monitor.engine.engine import Engine
from monitor.engine.feeds.publishers import FolderPublishers, with_addresses
from monitor.engine.feeds.subscribe import LiveFeeds
from monitor.engine.machine import ReadyMemory, allow_files, keep_memory, take_short_turns
from monitor.engine.recorder import QUEUE_BYTES, Recorder
from monitor.engine.warm_up import compiled, warm_up
from monitor.errors import EngineFailed, PitwatchError
from monitor.memory import settle
from monitor.processes import stop_on_signal
from monitor.recording import file_descriptors
from monitor.recording.read.experiment import Experiment
from monitor.recording.replay import replay_records
from monitor.recording.resume.interrupted import as_begun, interrupted, settings_kept
from monitor.recording.write.new_experiment import new_identity
from monitor.settings import Settings

Say = Callable[[str], None]


def run_engine(settings: Settings, out: Path | None, *, new: bool, say: Say) -> None:
    """Records and serves until SIGINT or SIGTERM ends it: only then is the recording finished.

    If it ends in any other way (an error, SIGHUP, SIGUSR1), the next engine resumes the recording,
    unless `new` is set. `feeds.folders` are published by processes of their own meanwhile. Raises
    PitwatchError; EngineFailed for an internal error, which is logged in full in the folder of the
    recording.
    """
    faulthandler.enable()  # native code that crashes says where on stderr
    settings = with_addresses(settings)
    gate = Gate(settings.security)
    allow_files()
    file_descriptors.keep_for_files()
    keep_memory()
    take_short_turns()
    with stop_on_signal() as stop:
        broken = None if new else _broken_off(settings, out, say)
        if broken is not None:
            given, settings = settings, as_begun(settings, broken)
            for text in settings_kept(given, settings):
                say(
                    f"{text}, as when the recording was begun; the change applies to the next "
                    "experiment, or to a new one at once with --new"
                )
        recorder = Recorder(
            settings, out, go_on=broken.path if broken else None, identity=new_identity()
        )
        try:
            feeds = LiveFeeds(settings.feeds, gate)
            engine = Engine(
                settings,
                feeds,
                recorder=recorder,
                gate=gate,
                kernels=compiled,
                on_header=ReadyMemory(settings.feeds.ready_memory_MB).fetch,
            )
        except BaseException:
            recorder.give_up()
            raise
        held_MB = settings.feeds.receive_MB + QUEUE_BYTES / 1e6
        publishers = FolderPublishers(
            settings.feeds.folders, say, unrecorded_MB=None if broken is None else held_MB
        )
        try:
            publishers.start()
            _work(settings, engine, recorder, broken, stop, say)
            if stop.leaves_broken:
                recorder.leave_broken()
        except PitwatchError:
            recorder.leave_broken()
            raise
        except Exception as error:
            raise EngineFailed(engine.fail(error)) from error
        except BaseException:  # as a second Ctrl-C
            recorder.leave_broken()
            raise
        finally:
            try:
                publishers.close()
            finally:
                _close(engine, recorder)


def _close(engine: Engine, recorder: Recorder) -> None:
    """A Ctrl-C meanwhile may leave something open for which the process would wait forever."""
    try:
        engine.close()
    except KeyboardInterrupt:
        recorder.leave_broken()
        engine.close()
        raise


def _work(
    settings: Settings,
    engine: Engine,
    recorder: Recorder,
    broken: Experiment | None,
    stop: threading.Event,
    say: Say,
) -> None:
    say(f"recording into {recorder.folder}")
    say(settings.feeds.what_fits)
    if recorder.problem:
        say(f"warning: {recorder.problem}")
    warm_up()
    if broken is not None:
        say("resuming it: processing its messages again …")
        engine.go_on(replay_records(broken, resumed=True), stop)
    settle()
    say(f"ready; screens connect to {engine.pull_address}")
    engine.run(stop)


def _broken_off(settings: Settings, out: Path | None, say: Say) -> Experiment | None:
    """The last recording of this experiment, if it was interrupted; says why not, if it matters."""
    found, why_not = interrupted(settings, out or settings.experiment.data_dir)
    if why_not:
        say(f"warning: {why_not}")
    return found
