"""The bar at the top: the engine, the feeds with their counters, the recording."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout

from monitor.gui.actions import key_of, keys_of
from monitor.gui.formatting import as_is, counted, duration, number
from monitor.gui.state.health import (
    MARKS,
    TIPS,
    FeedHealth,
    documents_health,
    mode_text,
    slices_health,
)
from monitor.gui.state.snapshot import Choice, Snapshot
from monitor.gui.state.snapshot_store import STATE_PATIENCE_S
from monitor.gui.widgets import theme
from monitor.gui.widgets.controls import label
from monitor.gui.widgets.plain_text import set_tip
from monitor.plain_text import visible
from monitor.records.state import FeedCounts
from monitor.wire.results.state import Recorder, Security

COUNTERS = (
    ("gaps", "messages that were lost on the way, whether recovered or not"),
    ("recovered", "slices that were missing and were sent again"),
    ("repeats", "slices that were received twice; the first one counts"),
    ("late", "slices that were received after their scan had ended"),
)


RECORDER_TIP = "Data waiting to be written, and problems of the recorder"


class StatusBar(QFrame):
    """Draws the state of the feeds."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self.viewer, self.operator = False, ""
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 10, 4)
        row.setSpacing(18)
        self.experiment = label(rich=True)
        self.engine, self.slices, self.documents = (label(rich=True) for _ in range(3))
        self.rate = label("", "muted", "Data rate of the slices over the last seconds")
        self.recorder = label("", "", RECORDER_TIP, rich=True)
        self.hint = label(
            f"Press <b>{key_of('help')}</b> for help",
            "muted",
            f"Keys and definitions ({keys_of('help')})",
            rich=True,
        )
        row.addWidget(self.experiment)
        for widget in (self.engine, self.slices, self.rate, self.documents, self.recorder):
            row.addWidget(widget)
        row.addStretch(1)
        self.who = label("", "", f"The operator at this screen ({keys_of('connect')})", rich=True)
        row.addWidget(self.who)
        row.addWidget(self.hint)

    def draw(self, snapshot: Snapshot, choice: Choice) -> None:
        """Shows feeds, ages and counters."""
        experiment, feeds = snapshot.told.get("experiment"), snapshot.told.get("feeds", {})
        name = experiment.get("name", "pitwatch") if experiment else "pitwatch"
        mode = mode_text(snapshot)
        self.experiment.setText(f"<b>{as_is(name)}</b>" + (f" · {as_is(mode)}" if mode else ""))
        self._draw_engine(snapshot)
        looks_only = self.viewer or snapshot.told.get("role", "operator") != "operator"
        only = f"<b style='color:{theme.palette().warn}'>VIEW ONLY</b>" if looks_only else ""
        self.who.setText(" · ".join(part for part in (only, as_is(self.operator)) if part))
        self.who.setVisible(bool(self.who.text()))
        slices, documents = slices_health(snapshot), documents_health(snapshot)
        for widget, title, name, feed, health in (
            (self.slices, "Slices", "slices", feeds.get("slices", {}), slices),
            (self.documents, "Cycler", "documents", feeds.get("documents", {}), documents),
        ):
            widget.setText(_feed_text(title, health, feed))
            set_tip(widget, _feed_tip(name, health, feed))
        self.rate.setText(f"{snapshot.rate_MB_s:.0f} MB/s")
        self.rate.setVisible(snapshot.rate_MB_s >= 0.5)
        # what an engine told before it fell silent says nothing of now
        self._draw_recorder((snapshot.told.get("recorder") or {}) if snapshot.linked else {})

    def _draw_engine(self, snapshot: Snapshot) -> None:
        if snapshot.linked:
            text, colour = "connected", theme.palette().good
        elif snapshot.state is None and snapshot.silent_s < STATE_PATIENCE_S:
            text, colour = "connecting", theme.palette().warn
        else:
            # the same words on a screen that was there and on one that was opened later
            text, colour = "does not answer", theme.palette().bad
        security = snapshot.told.get("security") or {}
        if security.get("refused_keys"):
            refused = f"{security['refused_keys']} refused"
            text += f" <span style='color:{theme.palette().warn}'>· {as_is(refused)}</span>"
        self.engine.setText(f"<span style='color:{colour}'>●</span> Engine {text}")
        tip = f"The engine at {snapshot.address}"
        if not snapshot.linked:
            waited = duration(snapshot.silent_s)
            first = snapshot.state is None
            tip += f"\nno answer for {waited}" if first else f"\nlast answer {waited} ago"
        if snapshot.bad_replies:
            tip += f"\n{snapshot.bad_replies} replies could not be read"
        set_tip(self.engine, "\n".join([tip, *_refused(security)]))

    def _draw_recorder(self, recorder: Recorder) -> None:
        alarm, queued = recorder.get("alarm"), recorder.get("queued_bytes")
        self.recorder.setVisible(bool(recorder))
        bad, good = theme.palette().bad, theme.palette().good
        # the whole text is in the alarm's line, and would make the window wider than the screen
        set_tip(self.recorder, visible(alarm) if alarm else RECORDER_TIP)
        if alarm:
            fails = recorder.get("failing", True)
            colour = bad if fails else theme.palette().warn
            text = "fails" if fails else "resumed"
            self.recorder.setText(f"<span style='color:{colour}'>● Recording {text}</span>")
        elif queued is not None:
            waiting = number(queued / 1e6, 1, "MB waiting") if queued > 1e6 else "up to date"
            self.recorder.setText(f"<span style='color:{good}'>●</span> Recording {waiting}")


def _refused(security: Security) -> list[str]:
    """Lines on clients and orders that the engine refused; none where there were none."""
    lines = []
    if security.get("refused_keys"):
        lines.append("refused: connections with a key that is not listed")
        last = security.get("last_refused") or ()
        lines += [f"  {one['count']} from {one['address']}" for one in reversed(last)]
    if security.get("refused_orders"):
        lines.append(f"refused: {security['refused_orders']} orders from viewers")
    return lines


def _feed_text(title: str, health: FeedHealth, feed: FeedCounts) -> str:
    colour = theme.state_colour(health.state)
    mark = MARKS[health.state]
    text = f"<span style='color:{colour}'>{mark} {title} <b>{health.state}</b></span>"
    if health.age_s is not None:
        text += f" {duration(health.age_s)}"
    troubles = [f"{name} {feed.get(name)}" for name, _ in COUNTERS if feed.get(name)]
    bad = sum((feed.get("bad") or {}).values())
    if bad:
        troubles.append(f"bad {bad}")
    if troubles:
        text += (
            f" <span style='color:{theme.palette().warn}'>· {as_is(' · '.join(troubles))}</span>"
        )
    return text


def _feed_tip(name: str, health: FeedHealth, feed: FeedCounts) -> str:
    lines = [health.why, counted(feed.get("messages", 0), "message")]
    if feed.get("bytes"):
        lines[-1] += f", {feed['bytes'] / 1e6:.1f} MB"
    lines += [f"{key}: {feed.get(key)} ({tip})" for key, tip in COUNTERS if key in feed]
    lines += [f"bad, {kind}: {count}" for kind, count in (feed.get("bad") or {}).items()]
    return "\n".join([*lines, "", TIPS[name]])
