"""Work of the screen in small portions, one at a turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


class Turns(QObject):
    """Does what it was given, oldest first, one portion at a turn: keys, mouse and painting come in
    between. What is put under a name that still waits takes its place there."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[str, Callable[[], None]] = {}
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._next)

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def put(self, name: str, act: Callable[[], None]) -> None:
        """Has `act` done at one of the next turns."""
        self._waiting[name] = act
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Forgets what still waits."""
        self._waiting.clear()
        self._timer.stop()

    def finish(self) -> None:
        """Does all that waits, now."""
        while self._waiting:
            self._next()

    def _next(self) -> None:
        act = self._waiting.pop(next(iter(self._waiting)))
        if not self._waiting:
            self._timer.stop()
        act()
