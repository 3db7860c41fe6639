"""A folder that another program fills with volumes, as a live slice feed.

Folders are polled. A slice is sent once its file is complete, in the order along z. What was sent
is kept in a small file: after a restart, scans continue under the same names, and only what may
have been lost on the way is sent again.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Hashable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitor.errors import PitwatchError, SourceError
from monitor.settings import FolderRules, SimulatorSettings
from monitor.sources.feeds.resend_service import ResendService
from monitor.sources.feeds.slices import QUEUE_BYTES, SliceSocket
from monitor.sources.folder.announcement import announcement
from monitor.sources.folder.discovery import Discovery
from monitor.sources.folder.files import Changes
from monitor.sources.folder.growing import Growing, Progress, Say
from monitor.sources.folder.later_changes import LaterChanges
from monitor.sources.folder.restart import QUEUED, for_new_recording, taken_back
from monitor.sources.folder.slices import checksum, complete_planes, sent_pixels
from monitor.sources.folder.state import SentFolder, SentVolume, read_state, write_state
from monitor.sources.folder.stream import FolderStream
from monitor.sources.formats import listed
from monitor.sources.publish_readings import check_cell
from monitor.sources.volumes.readers import READERS

STEADY_POLLS = 5
"""For so many polls the files of a volume have not changed if its writer has ended."""
SAVE_S = 1.0

_DEFAULTS = SimulatorSettings()


def publish_folder(
    folders: Sequence[Path],
    rules: FolderRules,
    *,
    cell: str = "A",
    endpoint: str = _DEFAULTS.slices,
    resend: str = "",
    state: Path | None = None,
    again_bytes: float = 0.0,
    new_recording: bool = False,
    wait: bool = False,
    stop: threading.Event | None = None,
    progress: Say | None = None,
) -> None:
    """Sends the volumes that appear in `folders` as scans of `cell`, until `stop` is set.

    `state` is the file that keeps what was sent, by default `.pitwatch_CELL.json` in the first
    folder. The last few slices of the process before are sent again; in addition `again_bytes` of
    them, which an engine that was killed may not have recorded. For a `new_recording` only volumes
    that have not ended are sent again, from their first slice. To `wait`: for folders that do not
    exist yet. Nothing is sent as long as nobody subscribes. Raises SettingError and SourceError for
    what is wrong before anything is sent; later, whatever is wrong with a file is said, and costs
    that slice or volume alone.
    """
    check_cell(cell)
    for folder in folders:
        if not folder.is_dir() and (folder.exists() or not wait):
            raise SourceError(f"{folder}: is not a folder; create it, or check the path")
    if not folders:
        raise SourceError("folders: got none, expected at least one; name a folder")
    stop = stop or threading.Event()
    with ExitStack() as stack:
        service = stack.enter_context(closing(ResendService(resend))) if resend else None
        socket = stack.enter_context(SliceSocket(endpoint, QUEUE_BYTES // QUEUED, stop))
        say = progress or (lambda _text, _sent, _total: None)
        if not _there(folders, rules.poll_s, stop, say):
            return
        path = state or folders[0] / f".pitwatch_{cell}.json"
        sent = read_state(path, cell)
        write_state(path, sent)
        changes = Changes()
        begun = for_new_recording(sent) if new_recording else taken_back(sent, again_bytes)
        job = _Publication(
            stream=FolderStream(socket, service, cell, sent.run, stop, say),
            folders=folders,
            rules=rules,
            path=path,
            sent=begun,
            kept=begun,
            changes=changes,
            discovery=Discovery(folders, rules.pattern, changes),
            later=LaterChanges(changes, sent.volumes),
            stop=stop,
            say=say,
        )
        stack.callback(job.save)
        job.run()


def _there(folders: Sequence[Path], poll_s: float, stop: threading.Event, say: Say) -> bool:
    """Waits until all folders exist; False if `stop` is set before."""
    for folder in folders:
        if not folder.is_dir():
            say(f"{folder}: does not exist yet; waiting for it, or check the path", 0, 0)
        while not folder.is_dir():
            if stop.wait(poll_s):
                return False
    return True


@dataclass(slots=True)
class _Live:
    """What this process knows of a volume besides what is kept."""

    glance: Hashable = None
    seen: Hashable = None
    since: float = field(default_factory=time.monotonic)
    announced: bool = False
    first_file: tuple[Path, int] | None = None
    failing: tuple[str, int] = ("", 0)


@dataclass(slots=True)
class _Publication:
    """One call of `publish_folder`, with its sockets open."""

    stream: FolderStream
    folders: Sequence[Path]
    rules: FolderRules
    path: Path
    sent: SentFolder
    kept: SentFolder
    changes: Changes
    discovery: Discovery
    later: LaterChanges
    stop: threading.Event
    say: Say
    live: dict[str, _Live] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    saved: float = -math.inf

    # --- polls ------------------------------------------------------------------------------------

    def run(self) -> None:
        self.stream.wait_for_engine()
        began = time.monotonic()
        while not self.stop.is_set():
            self.changes.next_poll()
            try:
                volumes = self.discovery.volumes()
            except OSError as error:
                self._once(f"{error.filename}: cannot be listed ({error.strerror}); still trying")
                volumes = []
            if not self.live and not volumes and time.monotonic() - began > self.rules.quiet_s:
                self._once(self._nothing_found())
            self._poll(volumes)
            self.save()
            self.stop.wait(self.rules.poll_s)

    def _nothing_found(self) -> str:
        pattern = f" whose name fits {self.rules.pattern!r}" if self.rules.pattern != "*" else ""
        return (
            f"{', '.join(map(str, self.folders))}: no volume{pattern} has appeared for "
            f"{self.rules.quiet_s:g} s; expected {listed(READERS)}; files of a stack need the "
            "number of the slice as the last number in their names"
        )

    def _poll(self, volumes: Sequence[Growing]) -> None:
        found = [(volume, now) for volume in volumes if (now := self._progress(volume)) is not None]
        parts = {source for volume in volumes for source in volume.sources}
        for volume, now in found:
            if self.stop.is_set():
                return
            if now.first_file.resolve() in parts and now.first_file not in volume.sources:
                continue
            try:
                self._advance(volume, now)
            except (PitwatchError, OSError) as error:
                self._failed(volume.name, str(error))
        self._look_back(volumes)

    def _look_back(self, volumes: Sequence[Growing]) -> None:
        """Reports volumes whose files were changed after they were sent."""
        sent = [
            (volume, known)
            for volume in volumes
            if (known := self.sent.get(volume.name)) is not None
            and known.ended
            and self.live[volume.name].glance == volume.glance()
        ]
        for change in self.later.poll(sent):
            self.sent = self.sent.with_volume(replace(change.known, files=change.files))
            if change.why:
                self.say(
                    f"{change.known.name}: its files were changed after it was sent as scan "
                    f"{change.known.scan} ({change.why}); the scan stays as it is: to measure the "
                    "new volume, write it under another name",
                    0,
                    0,
                )

    def _progress(self, volume: Growing) -> Progress | None:
        """None also for a volume that has ended and did not change since."""
        live = self.live.setdefault(volume.name, _Live())
        known = self.sent.get(volume.name)
        glance = volume.glance()
        if known is not None and known.ended and glance == live.glance:
            return None
        if known is not None and not live.announced and live.seen is None:
            volume.begin_again(known.after_ns)
        try:
            now = volume.progress()
        except (PitwatchError, OSError) as error:
            self._failed(volume.name, str(error))
            return None
        if (seen := (glance, now and len(now.ready))) != live.seen:
            live.seen, live.since = seen, time.monotonic()
        nothing = now is None or not (now.ready or now.maybe)
        if nothing and not (known is not None and known.ended) and self._is_quiet(live):
            self._once(
                f"{volume.name}: nothing of it can be sent, and its files have not changed for "
                f"{self.rules.quiet_s:g} s: {volume.lacking or 'its first slice is not complete'}"
            )
        if now is not None:
            live.failing = ("", 0)
            if known is not None and known.ended and self._is_steady(live):
                live.glance = glance
        return now

    def _is_steady(self, live: _Live) -> bool:
        return time.monotonic() - live.since >= STEADY_POLLS * self.rules.poll_s

    def _is_quiet(self, live: _Live) -> bool:
        return time.monotonic() - live.since >= self.rules.quiet_s

    def _failed(self, name: str, why: str) -> None:
        """Said once it has lasted: a file that is being written may be in any state."""
        live = self.live[name]
        before, count = live.failing
        live.failing = (why, count + 1 if why == before else 1)
        if live.failing[1] == STEADY_POLLS:
            self.say(why, 0, 0)

    # --- one volume -------------------------------------------------------------------------------

    def _advance(self, volume: Growing, now: Progress) -> None:
        live = self.live[volume.name]
        known = self.sent.get(volume.name)
        quiet = self._is_quiet(live)
        done = quiet or (now.finished and self._is_steady(live))
        there = [*now.ready, *now.maybe]
        if not there or there[0] != 0:
            if there and done:
                self._once(f"{volume.name}: its first slice is incomplete; nothing of it is sent")
            return
        if known is not None and self._is_written_again(volume, now, known):
            self._begin_again(volume, known, "was written again")
            return
        if known is None or self._is_new(known):
            known = self._announced(volume, now, known, done)
        if known is None:
            return
        if there[-1] >= known.shape[0]:
            if known.shape[0] != self.rules.slices:
                self._begin_again(volume, known, f"has more than {known.shape[0]} slices")
                return
            self._once(f"{volume.name}: has more slices than --slices; the others are left out")
        if known.ended:
            return
        known = replace(known, newest_ns=now.newest_ns)
        if not live.announced:
            live.announced = self.stream.header(known)
        known = self._send_run(volume, now, known, done)
        self._finish(volume, now, known, done, quiet)

    def _is_new(self, known: SentVolume) -> bool:
        """Whether it was found to be written again, and is not announced yet."""
        return known.shape[0] == 0

    def _is_written_again(self, volume: Growing, now: Progress, known: SentVolume) -> bool:
        """By the first slice, if its file has changed since it was last compared."""
        live = self.live[volume.name]
        if self._is_new(known):
            return False
        if now.begins_at != known.begins_at:
            return True
        file = (now.first_file, now.first_ns)
        first = known.checksum(0)
        if first is None or file == live.first_file:
            return False
        (plane,) = volume.planes([0])
        live.first_file = file
        return checksum(plane) != first

    def _begin_again(self, volume: Growing, known: SentVolume, why: str) -> None:
        self.say(f"{volume.name}: {why}: it is sent as another scan", 0, 0)
        if not known.ended and self.live[volume.name].announced:
            self._end(known)
        again = why == "was written again"
        after_ns = known.newest_ns if again else known.after_ns
        self.sent = self.sent.with_volume(replace(known, ended=True))
        self.sent = self.sent.with_volume(
            replace(
                known,
                shape=(0, *known.shape[1:]),
                version=known.version + 1,
                slices=0,
                checksums="",
                files=None,
                ended=False,
                after_ns=after_ns,
            )
        )
        volume.begin_again(after_ns)
        self.live[volume.name] = _Live()
        self.save()

    def _announced(
        self, volume: Growing, now: Progress, before: SentVolume | None, done: bool
    ) -> SentVolume | None:
        """The volume with all that its header says, once that is known."""
        made, lines = announcement(volume.name, now, before, done, self.rules, self.sent)
        for line in lines:
            self._once(line)
        if made is not None:
            self.sent = self.sent.with_volume(made)
            self.save()
        return made

    # --- slices -----------------------------------------------------------------------------------

    def _send_run(
        self, volume: Growing, now: Progress, known: SentVolume, done: bool
    ) -> SentVolume:
        """All slices that follow on the last one without a hole."""
        there = [*now.ready, *now.maybe] if done else now.ready
        wanted = [index for index in there if known.slices <= index < known.shape[0]]
        run = [index for place, index in enumerate(wanted) if index == known.slices + place]
        return self._send(volume, now, known, run, done)

    def _send(
        self, volume: Growing, now: Progress, known: SentVolume, indices: list[int], done: bool
    ) -> SentVolume:
        for index, plane in complete_planes(volume, now, indices, done, self._once):
            if plane is not None:
                pixels = sent_pixels(now, known, index, plane, self.rules.keep_blank, self._once)
                if pixels is not None and not self.stream.slice(known, index, pixels):
                    break
                if index == 0:
                    self.live[volume.name].first_file = (now.first_file, now.first_ns)
            known = known.with_slice(index, None if plane is None else checksum(plane))
            self.sent = self.sent.with_volume(known)
            self.say(f"scan {known.scan}: {known.name}", index + 1, known.shape[0])
            if time.monotonic() - self.saved > SAVE_S:
                self.save()
        return known

    def _finish(
        self, volume: Growing, now: Progress, known: SentVolume, done: bool, quiet: bool
    ) -> None:
        """Ends the scan once it is complete, or once its files never will be."""
        total = known.shape[0]
        if known.slices < total and done and not self.stop.is_set():
            there = [index for index in [*now.ready, *now.maybe] if index < total]
            lacking = total - len(there)
            if not (now.finished or self._is_overtaken(known)):
                self._once(
                    f"{known.name}: has stalled: {len(there)} of {total} slices, none for "
                    f"{self.rules.quiet_s:g} s; its scan continues with the next one, or ends when "
                    f"a later volume begins{f' ({volume.lacking})' if volume.lacking else ''}"
                )
                return
            rest = [index for index in there if index >= known.slices]
            known = self._send(volume, now, known, rest, done=True)
            self.say(f"{known.name}: has ended with {lacking} of {total} slices missing", 0, 0)
            known = replace(known, slices=total)
        if known.slices >= total and not self.stop.is_set():
            self._end(known)

    def _is_overtaken(self, known: SentVolume) -> bool:
        """Whether slices of a later volume were sent."""
        place = self.sent.volumes.index(self.sent.get(known.name) or known)
        return any(later.slices for later in self.sent.volumes[place + 1 :])

    # --- what is said, and kept -------------------------------------------------------------------

    def save(self) -> None:
        """What was sent, so that another process continues with it."""
        if self.sent is self.kept:
            return
        try:
            write_state(self.path, self.sent)
            self.kept = self.sent
        except SourceError as error:
            self._once(str(error))
        self.saved = time.monotonic()

    def _end(self, known: SentVolume) -> None:
        if self.stream.end(known):
            self.sent = self.sent.with_volume(replace(known, ended=True))
            self.save()

    def _once(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.say(text, 0, 0)
