"""python -m tests.studies.screen_states --out DIR

Shows each state of engine and feeds on two screens connected at different times, the second of
which may only look, keeps pictures of
both, cell and board, and asserts that they say the same. Run by hand; it takes some minutes. The
limits of the watchdog are a tenth of those by default: six seconds of silence stand for a minute,
thirty for five. (A clock put forward would not do: the engine takes that for a pause of its own.)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from monitor.gui.main_window import Window
from monitor.gui.state.client import Client
from monitor.gui.widgets import theme
from monitor.playback.opened import run_open
from monitor.playback.replay import run_replay
from tests.gui.said import ages, words
from tests.studies.screen_states.engines import OwnProcess, Story
from tests.studies.screen_states.pictures import take_all

PATIENCE_S = 240.0
CLOSE_S = 4.0
"""Ages on two screens may differ by so much: they are read one after the other."""
Done = Callable[[dict[str, str]], bool]


def _nothing() -> None:
    """Nothing is to be done for the state to last."""


class Screens:
    """Two screens on the engine at one pair of addresses."""

    def __init__(self, out: Path, pull: str, status: str | None, *, every: bool = False) -> None:
        self._out, self._addresses, self._every = out, (pull, status), every
        self._open: list[tuple[Window, Client]] = []
        self.first = self._look()

    def _look(self, *, viewer: bool = False) -> Window:
        client = Client(*self._addresses)
        window = Window(client, "A", viewer=viewer)
        window.resize(1440, 900)
        window.show()
        self._open.append((window, client))
        return window

    def show(
        self, state: str, done: Done, act: Callable[[], None] = _nothing, silent_s: float = 0.0
    ) -> None:
        """Waits until the first screen says what `done` wants, and that slices are missing for
        `silent_s`; another one, connected now, then says the same. `act` is done again and again
        meanwhile."""

        def wait(what: str, is_so: Callable[[], bool]) -> None:
            end = time.monotonic() + PATIENCE_S
            while not is_so():
                assert time.monotonic() < end, (state, what, words(self.first))
                act()
                QTest.qWait(200)

        wait("the first screen", lambda: done(words(self.first)))
        if silent_s:
            wait("its ages", lambda: (ages(self.first)[0] or 0.0) >= silent_s)
        second = self._look(viewer=True)
        wait("the second screen", lambda: words(second) == words(self.first))
        if self.first.snapshot.linked:
            for one, other in zip(ages(self.first), ages(second), strict=True):
                assert (one is None) == (other is None), (state, one, other)
                assert one is None or abs(one - other) < CLOSE_S, (state, one, other)
        for name, window in (("first", self.first), ("second", second)):
            for page in ("cell", "board"):
                window.selection.on_board = page == "board"
                window.tick()
                QTest.qWait(400)
                act()
                window.screenshot(self._out / f"{state}-{page}-{name}.png")
            window.selection.leave_board()
        if self._every and act is _nothing:
            take_all(self.first, self._out, state)
        print(f"{state}:", *(f"  {key}: {text}" for key, text in words(second).items()), sep="\n")

    def close(self) -> None:
        """Closes all of them."""
        for window, client in self._open:
            window.close()
            client.close()


def live(out: Path, folder: Path, *, every: bool) -> Path:
    """An engine from its first reply to the end of the run; returns what it recorded."""
    story = Story(folder)
    screens = Screens(out, story.engine.pull_address, story.engine.status_address, every=every)
    try:
        screens.show("1-nothing-yet", lambda w: "waiting for the first scan" in (w["card"] or ""))
        story.begin()
        screens.show("2-receiving", lambda w: "LIVE receiving" in (w["card"] or ""), story.more)
        screens.show(
            "3-stopped-a-minute",
            lambda w: "DEAD" in w["slices"] and w["alarms"] != "",
            silent_s=6.0,
        )
        screens.show("4-stopped-five-minutes", lambda w: "DEAD" in w["cycler"], silent_s=30.0)
        story.end()
        screens.show("5-run-ended", lambda w: "has ended" in (w["due"] or ""))
    finally:
        screens.close()
        story.close()
    return story.engine.folder


def killed(out: Path, folder: Path, *, every: bool) -> None:
    """An engine in a process of its own that is killed."""
    engine = OwnProcess(folder)
    screens = Screens(out, engine.pull_address, engine.status_address, every=every)
    try:
        screens.show("6-before-it-is-killed", lambda w: "IDLE" in (w["card"] or ""))
        engine.kill()
        for window, _ in screens._open:
            assert window.snapshot.state is not None
        _gone(screens)
    finally:
        engine.kill()
        screens.close()


def _gone(screens: Screens) -> None:
    """Screens that were there say the same; one that is opened later cannot know the counters."""
    end = time.monotonic() + PATIENCE_S
    while not all("does not answer" in words(w)["engine"] for w, _ in screens._open):
        assert time.monotonic() < end
        QTest.qWait(200)
    (one, _), (other, _) = screens._open
    assert words(one) == words(other)
    never = screens._look()
    while "does not answer" not in words(never)["engine"]:
        assert time.monotonic() < end
        QTest.qWait(200)
    for part in ("engine", "slices", "cycler", "panel"):
        texts = {words(w)[part].partition(" · ")[0].strip() for w in (one, never)}
        assert len(texts) == 1, texts
    for name, window in (("first", one), ("second", never)):
        for page in ("cell", "board"):
            window.selection.on_board = page == "board"
            window.tick()
            QTest.qWait(400)
            window.screenshot(screens._out / f"7-engine-gone-{page}-{name}.png")
    print("7-engine-gone:", *(f"  {key}: {text}" for key, text in words(never).items()), sep="\n")


def replayed(
    out: Path, recording: Path, state: str, speed: float | None, done: Done, *, every: bool
) -> None:
    """A replay, while it is played or after its end."""

    def screen(pull: str, status: str) -> int:
        screens = Screens(out, pull, status, every=every)
        try:
            screens.show(state, done)
        finally:
            screens.close()
        return 0

    run_replay(
        recording, speed=speed, first=None, last=None, out=None, screen=screen, say=lambda _: None
    )


def opened(out: Path, recording: Path, *, every: bool) -> None:
    """A recording that is opened."""

    def screen(pull: str, status: str) -> int:
        screens = Screens(out, pull, status, every=every)
        try:
            screens.show("10-recording", lambda w: "this is a recording" in (w["due"] or ""))
        finally:
            screens.close()
        return 0

    run_open(recording, pull=None, status=None, screen=screen, say=lambda _: None)


def main() -> None:
    """All states, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.screen_states")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument(
        "--every", action="store_true", help="also each view at several sizes, in states that last"
    )
    given = parser.parse_args()
    out, every = given.out, given.every
    out.mkdir(parents=True, exist_ok=True)
    theme.apply(QApplication([]))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        recording = live(out, folder / "live", every=every)
        killed(out, folder / "own", every=every)
        is_replay: Done = lambda w: "REPLAY" in (w["card"] or "")  # noqa: E731
        replayed(out, recording, "8-replay", 60.0, is_replay, every=every)
        is_over: Done = lambda w: "ended" in (w["due"] or "")  # noqa: E731
        replayed(out, recording, "9-replay-ended", None, is_over, every=every)
        opened(out, recording, every=every)


if __name__ == "__main__":
    main()
