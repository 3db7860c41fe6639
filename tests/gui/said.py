"""What a screen says of the engine, the feeds and cell A, part by part, to compare two screens."""

import re


def words(window):
    """The words of bar, card, panel, time line and alarms, without the ages."""
    window.tick()
    window.turns.finish()
    window.board.draw(window.snapshot, window.selection.choice)
    card = window.board.cards["A"].shown.facts if "A" in window.board.cards else None
    said = {
        "engine": window.status.engine.text(),
        "slices": window.status.slices.text(),
        "slices why": window.status.slices.toolTip(),
        "cycler": window.status.documents.text(),
        "card": None if card is None else f"{card.state} {card.why}",
        "due": None if card is None else card.due,
        "panel": window.views["cell"].state.text(),
        "next": window.views["acquisition"].next.text(),
        "newest": window.views["timeline"].live.toolTip(),
        "mode": window.status.experiment.text(),
        "alarms": window.notices.alarm.text.text() if window.notices.alarm.isVisible() else "",
    }
    return {key: _plain(text) for key, text in said.items()}


def ages(window):
    """How long ago the last message came, s: of the slices, of the cycler, and of what the state of
    cell A is about; None each where the engine tells none."""
    window.tick()
    told = window.snapshot.state["health"]
    return [told["slices"]["age_s"], told["documents"]["age_s"], told["cells"]["A"]["age_s"]]


def _plain(text):
    """Without colours and without what moves with time."""
    text = re.sub(r"<[^>]*>", "", text or "")
    return re.sub(r"\b\d+ (s|min \d+ s|min|h \d+ min)\b", "… s", text)
