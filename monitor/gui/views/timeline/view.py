"""All scans of the chosen cell over time: choose one, play through them, pin one, compare."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QSizePolicy, QToolButton

from monitor.gui.actions import Handlers, keys_of, with_keys
from monitor.gui.state.health import NO_ENGINE, ending, is_ended
from monitor.gui.state.snapshot import Choice, Snapshot
from monitor.gui.views.timeline.marks import timeline
from monitor.gui.views.timeline.strip import TimelineStrip
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import quiet
from monitor.gui.widgets.plain_text import set_tip
from monitor.gui.widgets.view import View

HEIGHT = 64
SPEEDS = (1, 3, 10)
MOST_HELD_S = 5.0
"""Longest time (s) for which a played scan is shown while answers are missing."""
COMPARISONS = {
    "off": ("no comparison", "One map"),
    "beside": ("side by side", "This scan's map and the pinned one's, with one colour scale"),
    "difference": ("difference", "This scan's map minus the pinned one's"),
}


class TimelineView(View):
    """Draws the scans; emits which one to show or to pin (None: none), and how to compare."""

    def __init__(self) -> None:
        super().__init__("Scans")
        self.bar.hide()
        self._held_s = 0.0
        self._numbers: list[int] = []
        self._shown: int | None = None
        self._pinned: int | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._play_on)
        self.strip = TimelineStrip()
        self.strip.scan_clicked.connect(self._choose)
        self.strip.scan_marked.connect(self._pin)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addLayout(self._controls())
        row.addWidget(self.strip, 1)
        self.body.addLayout(row)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.restyle()

    def _controls(self) -> QGridLayout:
        acts = self.handlers()
        self.first = _button("|◀", with_keys("First scan", "first_scan"), acts["first_scan"])
        self.before = _button(
            "◀", with_keys("Previous scan", "previous_scan"), acts["previous_scan"]
        )
        self.after = _button("▶", with_keys("Next scan", "next_scan"), acts["next_scan"])
        self.play = _button("Play", "", self.toggle_play)
        set_tip(self.play, with_keys("Show one scan after the other, up to the last", "play"))
        self.live = _button("Newest", "", self._go_live)
        self.live.setCheckable(True)
        self.pin = _button("Pin", "", self.toggle_pin)
        self.pin.setCheckable(True)
        set_tip(
            self.pin,
            f"Pin the shown scan, to compare others with it ({keys_of('pin')}; or Ctrl "
            "and a click, or a click with the right button, on a scan)",
        )
        self.speed = QComboBox()
        self.speed.addItems([f"{speed} / s" for speed in SPEEDS])
        self.speed.setCurrentIndex(SPEEDS.index(3))
        set_tip(self.speed, "Scans played per second")
        self.speed.currentIndexChanged.connect(self._set_speed)
        self.comparison = QComboBox()
        for index, (text, tip) in enumerate(COMPARISONS.values()):
            self.comparison.addItem(text)
            self.comparison.setItemData(index, tip, 3)
        self.comparison.activated.connect(
            lambda index: self.comparison_chosen.emit(tuple(COMPARISONS)[index])
        )
        quiet(self.speed, self.comparison)
        grid = QGridLayout()
        grid.setSpacing(3)
        for column, widget in enumerate((self.first, self.before, self.after)):
            grid.addWidget(widget, 0, column)
        grid.addWidget(self.play, 0, 3)
        grid.addWidget(self.speed, 0, 4)
        grid.addWidget(self.live, 1, 0, 1, 2)
        grid.addWidget(self.pin, 1, 2)
        grid.addWidget(self.comparison, 1, 3, 1, 2)
        for button in (self.first, self.before, self.after, self.play, self.live, self.pin):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return grid

    def handlers(self) -> Handlers:
        return {
            "previous_scan": lambda: self.step(-1),
            "next_scan": lambda: self.step(1),
            "first_scan": lambda: self.step(-len(self._numbers)),
            "last_scan": lambda: self.step(len(self._numbers)),
            "play": self.toggle_play,
            "pin": self.toggle_pin,
        }

    @property
    def is_playing(self) -> bool:
        """Whether one scan is shown after the other."""
        return self._timer.isActive()

    def restyle(self) -> None:
        """Applies the colours and sizes of the current look."""
        self.body.setContentsMargins(theme.px(6), theme.px(4), theme.px(4), theme.px(4))
        self.play.setMinimumWidth(theme.px(50))
        # the style sheet gives buttons their size: no less than they ask for
        self.setMinimumHeight(theme.px(HEIGHT))
        self.strip.update()

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows the scans of the chosen cell."""
        told = timeline(snapshot, choice)
        self.strip.set_timeline(told)
        self._numbers, self._shown, self._pinned = told.numbers, told.shown, told.pinned
        if self.is_playing and choice.scan is None:
            self._stop()
        self._draw_live(snapshot, choice)
        self.pin.setChecked(told.pinned is not None and told.pinned == told.shown)
        self.comparison.setCurrentIndex(tuple(COMPARISONS).index(choice.comparison))
        pinned = told.pinned is not None
        self.comparison.setEnabled(pinned)
        set_tip(
            self.comparison,
            f"Comparison of this scan with the pinned scan {told.pinned}"
            if pinned
            else "Pin a scan first, to compare this one with it",
        )
        at = self._place()
        last = len(self._numbers) - 1
        self.first.setEnabled(at is not None and at > 0)
        self.before.setEnabled(at is not None and at > 0)
        self.after.setEnabled(at is not None and at < last)
        self.play.setEnabled(last > 0)
        self.pin.setEnabled(self._shown is not None)

    def _draw_live(self, snapshot: Snapshot, choice: Choice) -> None:
        self.live.setChecked(choice.scan is None)
        tip = with_keys("Follow the newest scan that has the chosen map", "newest_scan")
        if snapshot.state is not None and is_ended(snapshot, choice.cell):
            tip += f"; no more are expected: {ending(snapshot)}"
        elif snapshot.state is not None and not snapshot.linked:
            tip += f"; {NO_ENGINE}"
        set_tip(self.live, tip)

    def step(self, by: int) -> None:
        """Chooses the scan `by` places further, or the last or first one if there are not
        enough."""
        at = self._place()
        if at is None:
            return
        aim = min(max(at + by, 0), len(self._numbers) - 1)
        if aim != at:
            self._choose(self._numbers[aim])

    def toggle_play(self) -> None:
        """Plays from the shown scan, or from the first if the shown one is the last; stops if
        playing."""
        if self.is_playing:
            self._stop()
        elif len(self._numbers) > 1:
            self.play.setText("Stop")
            self._timer.start(self._interval())
            if self._place() in (None, len(self._numbers) - 1):
                self._choose(self._numbers[0])
            else:
                self.step(1)

    def toggle_pin(self) -> None:
        """Pins the shown scan, or unpins it."""
        if self._shown is not None:
            self._pin(self._shown)

    def _place(self) -> int | None:
        """Where the scan that is shown stands among those that can be chosen."""
        return self._numbers.index(self._shown) if self._shown in self._numbers else None

    def _choose(self, scan: int) -> None:
        # kept at once: a screen that is busy draws later than the next beat of the player
        self._shown = scan
        self.scan_chosen.emit(scan)

    def _pin(self, scan: int) -> None:
        self.pin_chosen.emit(None if scan == self._pinned else scan)
        self.pin.setChecked(self._pinned is not None and self._pinned == self._shown)

    def _go_live(self) -> None:
        self._stop()
        self.live.setChecked(True)
        self.newest_chosen.emit()

    def _play_on(self) -> None:
        if not self.ready() and self._held_s < MOST_HELD_S:
            self._held_s += self._timer.interval() / 1000
            return
        self._held_s = 0.0
        at = self._place()
        if at is None or at >= len(self._numbers) - 1:
            self._stop()
            return
        self.step(1)
        if self._place() == len(self._numbers) - 1:
            self._stop()

    def _stop(self) -> None:
        self._timer.stop()
        self.play.setText("Play")

    def _interval(self) -> int:
        return round(1000 / SPEEDS[self.speed.currentIndex()])

    def _set_speed(self) -> None:
        if self.is_playing:
            self._timer.start(self._interval())


def _button(text: str, tip: str, act: Callable[[], object]) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    set_tip(button, tip)
    button.clicked.connect(lambda: act())
    quiet(button)
    return button
