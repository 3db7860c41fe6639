"""Processes beside the engine that publish the folders in its settings; one that ends is started
again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.processes import Children, free_addresses
from monitor.settings import FolderSettings, Settings
from monitor.settings.folders import options
from monitor.sockets.keys import check_local

LOOK_S = 0.2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
CALM_S = 60.0
"""A publisher that has run for so long is started again after the shortest pause."""
SETTING = "feeds.folders.endpoint"


def with_addresses(settings: Settings) -> Settings:
    """The settings with a free address for each of `feeds.folders` that has none. Raises
    SettingError for one that other machines could reach, OSError if no address is free."""
    folders = settings.feeds.folders
    free = iter(free_addresses(len(folders)))
    placed = []
    for folder in folders:
        if folder.endpoint:
            check_local(folder.endpoint, SETTING)
        address = folder.endpoint or next(free)
        placed.append(folder.model_copy(update={"endpoint": address}))
    feeds = settings.feeds.model_copy(update={"folders": tuple(placed)})
    return settings.model_copy(update={"feeds": feeds})


@dataclass(slots=True)
class _Publisher:
    """One process: when it was started, or is to be started again."""

    folder: FolderSettings
    first_options: list[str]
    began: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    again: float | None = None

    @property
    def name(self) -> str:
        return f"publish-folder of cell {self.folder.cell}"


class FolderPublishers:
    """One `publish-folder` for each of the folders. Each continues where the one before ended, so
    that no slice is lost and only the last few are sent again. The first ones send as well what an
    engine that was killed may not have recorded, or begin a new recording."""

    def __init__(
        self,
        folders: Sequence[FolderSettings],
        say: Callable[[str], None],
        *,
        unrecorded_MB: float | None = None,
    ) -> None:
        """`unrecorded_MB`: what the engine before may have held; None for a new recording."""
        again = ["--new"] if unrecorded_MB is None else [f"--again={unrecorded_MB:.0f}"]
        self._publishers = [_Publisher(folder, again) for folder in folders]
        self._children = Children()
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="publishers", daemon=True)

    def start(self) -> None:
        """Starts them, and watches them until `close`."""
        for publisher in self._publishers:
            self._start(publisher)
        if self._publishers:
            self._thread.start()

    def close(self) -> None:
        """Ends them all, also those that were about to be started again."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._children.stop_all()

    def _start(self, publisher: _Publisher) -> None:
        more = publisher.first_options
        words = ["publish-folder", *options(publisher.folder), *more, "--unattended"]
        publisher.began, publisher.again = time.monotonic(), None
        try:
            self._children.start(publisher.name, words, bound=True, aside=True)
            publisher.first_options = []
        except OSError as error:
            self._plan(publisher, f"cannot be started ({error.strerror})")

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            for publisher in self._publishers:
                if not self._children.alive(publisher.name):
                    self._ended(publisher)

    def _ended(self, publisher: _Publisher) -> None:
        """Starts it again after a pause, which grows if it ends again and again."""
        now = time.monotonic()
        if publisher.again is None:
            calm = now - publisher.began > CALM_S
            publisher.pause_s = FIRST_PAUSE_S if calm else publisher.pause_s
            code = self._children.stop(publisher.name)
            self._plan(publisher, f"has ended with code {code}")
        elif now >= publisher.again:
            self._start(publisher)

    def _plan(self, publisher: _Publisher, why: str) -> None:
        publisher.again = time.monotonic() + publisher.pause_s
        self._say(
            f"{publisher.name} {why}; it is started again in {publisher.pause_s:g} s, and "
            "continues with the slices that were not sent"
        )
        publisher.pause_s = min(2.0 * publisher.pause_s, LONGEST_PAUSE_S)
