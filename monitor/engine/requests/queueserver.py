"""Scan requests through the queue of a bluesky-queueserver RE manager.

The manager's queue, running item and history contain all that is known of a request. It is looked
up there by its id, before an item is added and after either end was restarted, so no restart loses
or duplicates a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from monitor.engine.requests.queueserver_socket import ManagerSocket, NoAnswer
from monitor.errors import BadMessage
from monitor.plain_text import visible
from monitor.records import (
    FINAL_REPLIES,
    BadInput,
    ConnectionChange,
    ReplyStatus,
    ScanReply,
    ScanRequest,
)
from monitor.settings import RequestSettings

ROUND_S, IDLE_S = 0.5, 5.0
ABSENT_S = 10.0
PATIENCE_S = 30.0
MAX_WHY = 300

Answer = dict[str, Any]
Item = dict[str, Any]
Round = Generator[tuple[str, dict[str, Any]], Answer, None]


@dataclass(slots=True)
class _Followed:
    """One request on its way. `placed`: its item has been seen since the manager last came up;
    `wanted`: it is to be added if it is missing."""

    request: ScanRequest
    wanted: bool = True
    told: ReplyStatus | None = None
    placed: bool = False
    hindered_since: float | None = None


class QueueServer:
    """Adds a plan for each request at the front of the queue and follows it to its end.

    A state machine that `poll` advances; a round of questions is a generator that yields at each
    question.
    """

    def __init__(
        self, settings: RequestSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises SettingError if the address or the key is not valid."""
        self._settings = settings
        self._clock = clock
        self._socket = ManagerSocket(settings.control, settings.public_key, clock)
        self._followed: dict[str, _Followed] = {}
        self._replies: list[ScanReply | BadInput | ConnectionChange] = []
        self._round: Round | None = None
        self._next_round = clock()
        self._silent_since: float | None = None
        self._silence_told = False
        self._content = _Content()

    def send(self, request: ScanRequest) -> None:
        """Looks for the request at the manager, and adds it if it is missing."""
        if request.id not in self._followed:
            self._followed[request.id] = _Followed(request)
            self._next_round = self._clock()

    def poll(self) -> list[ScanReply | BadInput | ConnectionChange]:
        """Advances as far as answers have arrived; returns the replies, bad messages and changes of
        the connection since the last call."""
        try:
            if self._round is not None:
                answer = self._socket.answer()
                if answer is not None:
                    self._silent_since, self._silence_told = None, False
                    self._ask(self._round.send(answer))
            elif self._clock() >= self._next_round:
                self._round = self._look()
                self._ask(next(self._round))
        except StopIteration:
            self._end_round(ROUND_S if self._followed else IDLE_S)
        except NoAnswer:
            self._silence()
            self._end_round(ROUND_S)
        except BadMessage as error:
            self._replies.append(BadInput("requests", error.kind, str(error)))
            self._end_round(IDLE_S)
        replies, self._replies = self._replies, []
        return [*replies, *self._socket.changes()]

    def forget(self, identity: str) -> None:
        """The request is no longer added; if it has been, it is followed to its end."""
        followed = self._followed.get(identity)
        if followed is not None:
            followed.wanted = False

    def close(self) -> None:
        """A second call does nothing."""
        self._socket.close()

    # --- the way of a round -----------------------------------------------------------------------

    def _ask(self, question: tuple[str, dict[str, Any]]) -> None:
        self._socket.ask(*question)

    def _end_round(self, pause_s: float) -> None:
        self._round = None
        self._next_round = self._clock() + pause_s

    def _silence(self) -> None:
        """What was known of the manager may be so no longer: items in its queue are looked up
        afresh, and what was lost with its queue is added again."""
        now = self._clock()
        self._silent_since = now if self._silent_since is None else self._silent_since
        self._content = _Content()
        for followed in self._followed.values():
            followed.placed = False
            followed.hindered_since = None
        if now - self._silent_since >= ABSENT_S and not self._silence_told:
            self._silence_told = True
            text = (
                f"requests: no RE manager answers at {self._settings.control} for {ABSENT_S:g} s; "
                f"{len(self._followed)} requests are waiting for it; start it "
                "(start-re-manager), or "
                "correct requests.control"
            )
            self._replies.append(BadInput("requests", "queueserver_absent", text))

    def _look(self) -> Round:
        """Status; queue and history where they have changed; then what each request needs."""
        status = yield "status", {}
        if "manager_state" not in status:
            raise BadMessage(
                "queueserver_answer",
                f"requests: the program that answers at {self._settings.control} is not an RE "
                "manager; correct "
                "requests.control",
            )
        if not self._followed:
            return
        if self._content.is_older_than(status):
            queue = yield "queue_get", {}
            history = yield "history_get", {}
            self._content = _Content.of(status, queue, history)
        for followed in list(self._followed.values()):
            yield from self._follow(followed, status)
            if followed.told in FINAL_REPLIES:
                self._followed.pop(followed.request.id, None)

    def _follow(self, followed: _Followed, status: Answer) -> Round:
        """One request: if it is in the manager, and what follows from that."""
        identity = followed.request.id
        queued = self._content.queue.get(identity)
        if identity in self._content.running:
            followed.placed = True
            self._tell(followed, "running")
        elif identity in self._content.history:
            if queued is not None:  # what failed comes back to the front, to be run once more
                yield "queue_item_remove", {"uid": queued.get("item_uid")}
            self._tell(followed, *_end_of(self._content.history[identity]))
        elif queued is not None:
            why = ""
            if not followed.placed:
                followed.placed = True
                why = yield from self._start(status)
            self._tell(followed, "accepted", why)
        elif followed.told == "running":
            self._tell(
                followed, "failed", "it has run, but the RE manager does not report how it ended"
            )
        elif followed.placed:
            self._tell(followed, "refused", "it was removed from the RE manager's queue")
        elif followed.wanted:
            yield from self._add(followed, status)
        else:
            self._followed.pop(identity, None)

    def _add(self, followed: _Followed, status: Answer) -> Round:
        hindrance = _hindrance(status)
        if hindrance:
            now = self._clock()
            if followed.hindered_since is None:
                followed.hindered_since = now
            if now - followed.hindered_since >= PATIENCE_S:
                self._tell(followed, "refused", f"{hindrance} (for {PATIENCE_S:g} s)")
            return
        answer = yield "queue_item_add", self._item(followed.request)
        if not answer.get("success"):
            self._tell(followed, "refused", f"RE manager: {_line(answer.get('msg'))}")
            return
        followed.placed = True
        self._content.uids = None
        why = yield from self._start(status)
        self._tell(followed, "accepted", why)

    def _item(self, request: ScanRequest) -> dict[str, Any]:
        settings = self._settings
        kwargs = {
            "cell": request.cell,
            "reason": request.reason,
            "request": request.id,
            "after_scan": request.after_scan,
        }
        return {
            "item": {"item_type": "plan", "name": settings.plan, "kwargs": kwargs},
            "pos": "front",
            "user": settings.user,
            "user_group": settings.user_group,
        }

    def _start(self, status: Answer) -> Generator[tuple[str, dict[str, Any]], Answer, str]:
        """Lets the manager run what is in its queue; returns why it will not, or ""."""
        if not self._settings.autostart or status.get("queue_autostart_enabled"):
            return ""
        answer = yield "queue_autostart", {"enable": True}
        return "" if answer.get("success") else f"RE manager: {_line(answer.get('msg'))}"

    def _tell(self, followed: _Followed, status: ReplyStatus, why: str = "") -> None:
        if status != followed.told:
            followed.told = status
            self._replies.append(ScanReply(followed.request.id, status, why))


class _Content:
    """Items of the manager that carry a request's id, by that id; of several the newest."""

    def __init__(self) -> None:
        self.uids: tuple[Any, ...] | None = None
        self.queue: dict[str, Item] = {}
        self.running: dict[str, Item] = {}
        self.history: dict[str, Item] = {}

    @classmethod
    def of(cls, status: Answer, queue: Answer, history: Answer) -> _Content:
        """What the answers to `queue_get` and `history_get` hold, asked in this order: an item
        that moves on in between is then in both, not in neither. Raises BadMessage."""
        content = cls()
        content.uids = _uids(status)
        content.queue = _by_request(queue, "items")
        content.running = _by_request({**queue, "items": [queue.get("running_item")]}, "items")
        content.history = _by_request(history, "items")
        return content

    def is_older_than(self, status: Answer) -> bool:
        return self.uids != _uids(status)


def _uids(status: Answer) -> tuple[Any, ...]:
    keys = ("plan_queue_uid", "plan_history_uid", "running_item_uid")
    return tuple(status.get(key) for key in keys)


def _by_request(answer: Answer, key: str) -> dict[str, Item]:
    items = answer.get(key)
    if not answer.get("success") or not isinstance(items, list):
        raise BadMessage(
            "queueserver_answer",
            f"requests: the RE manager does not return its queue ({_line(answer.get('msg'))}); "
            "retrying",
        )
    found = {}
    for item in items:
        kwargs = item.get("kwargs") if isinstance(item, dict) else None
        if isinstance(kwargs, dict) and isinstance(kwargs.get("request"), str):
            found[kwargs["request"]] = item
    return found


def _hindrance(status: Answer) -> str:
    """Why nothing can be added to the queue now, and what to do; "" if it can."""
    if not status.get("worker_environment_exists"):
        return "the RE environment is closed; open it (qserver environment open)"
    lock = status.get("lock")
    if isinstance(lock, dict) and lock.get("queue"):
        return "the RE manager's queue is locked; unlock it (qserver unlock)"
    return ""


def _end_of(item: Item) -> tuple[ReplyStatus, str]:
    """How an item of the history ended: `completed`, or failed, stopped, aborted, halted, and
    unknown where the manager was restarted meanwhile."""
    result = item.get("result")
    result = result if isinstance(result, dict) else {}
    status = str(result.get("exit_status", "unknown"))
    if status == "completed":
        return "done", ""
    message = _line(result.get("msg"))
    return "failed", f"RE manager: {status[:40]}" + (f", {message}" if message else "")


def _line(text: object) -> str:
    """The manager's words in one line of bounded length."""
    return visible(" ".join(str(text or "").split()))[:MAX_WHY]
