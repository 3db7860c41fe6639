"""Work of the screen in small portions, one at each turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


class Turns(QObject):
    """Executes functions, oldest first, one at each turn, so that keys, mouse and painting are
    handled in between. A function whose name still waits replaces the waiting one."""

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
        """Calls `act` at one of the next turns."""
        self._waiting[name] = act
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Drops everything that waits."""
        self._waiting.clear()
        self._timer.stop()

    def finish(self) -> None:
        """Executes everything that waits now."""
        while self._waiting:
            self._next()

    def _next(self) -> None:
        act = self._waiting.pop(next(iter(self._waiting)))
        if not self._waiting:
            self._timer.stop()
        act()
