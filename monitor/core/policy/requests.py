"""What becomes of scan requests: requested → accepted or refused → running → done or failed.

Whatever is received first counts, repeats change nothing, and nothing goes back, save that a scan
which bears the id of a request proves it alive. So it does not matter which end is restarted when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.records import FINAL_REPLIES, ReplyStatus, ScanKey, ScanReply, ScanRequest, ScanStart

REMEMBERED = 1000
OVERTAKEN = 2
"""One scan may have been measured before the answer and be reconstructed after it."""
ORDER: dict[str, int] = {"": 0, "accepted": 1, "running": 2, "refused": 3, "done": 3, "failed": 3}


@dataclass(frozen=True, slots=True)
class RequestState:
    """One request and the last that was received from it. `overtaken_by`: scans of its cell that
    were concluded after it was said to be running, while its own had not begun."""

    request: ScanRequest
    last: ScanReply | None = None
    key: ScanKey | None = None
    overtaken_by: tuple[ScanKey, ...] = ()

    @property
    def status(self) -> str:
        return self.last.status if self.last else ""


class RequestBook:
    """All requests of a session. Methods return the news there are, None if there are none."""

    def __init__(self) -> None:
        self._states: dict[str, RequestState] = {}
        self._suggested: dict[str, ScanRequest] = {}

    def cell_of(self, identity: str) -> str:
        """The cell that a request was for; "" if it is not known."""
        state = self._states.get(identity)
        return state.request.cell if state else ""

    @property
    def unserved(self) -> list[ScanRequest]:
        """Requests that are not over, and whose scan has not begun."""
        waiting = ("", "accepted")
        return [f.request for f in self._states.values() if f.status in waiting and f.key is None]

    def add(self, request: ScanRequest) -> None:
        """A request that goes out."""
        self._states[request.id] = RequestState(request)
        for identity in [i for i, state in self._states.items() if state.status in FINAL_REPLIES]:
            if len(self._states) <= REMEMBERED:
                break
            del self._states[identity]

    def heard(self, reply: ScanReply) -> ScanReply | None:
        """A reply arrived. One to a request that is not known is passed on."""
        state = self._states.get(reply.id)
        if state is None:
            return reply
        if ORDER[reply.status] <= ORDER[state.status]:
            return None
        self._states[reply.id] = replace(state, last=reply)
        return reply

    def started(self, start: ScanStart) -> ScanReply | None:
        """A scan began; if it answers a request, that one is running, whatever was said."""
        state = self._states.get(start.request)
        if state is None:
            return None
        if state.key is not None:
            if state.status not in FINAL_REPLIES:  # the scan is being made again
                self._states[start.request] = replace(state, key=start.key)
            return None
        said = state.status in ("running", "done")
        news = ScanReply(start.request, "running", scan=start.key.scan)
        last = state.last if said else news
        self._states[start.request] = replace(state, last=last, key=start.key)
        return None if said else news

    def ended(self, start: ScanStart, received: int, *, whole: bool) -> ScanReply | None:
        """A scan has been concluded with so many slices; it has failed where it was interrupted."""
        state = self._states.get(start.request)
        if state is None or state.key != start.key or state.status in FINAL_REPLIES:
            return None
        status: ReplyStatus = "done" if whole else "failed"
        why = (
            ""
            if whole
            else f"it was interrupted: {received} of {start.slice_count} slices were received"
        )
        news = ScanReply(start.request, status, why, start.key.scan)
        self._states[start.request] = replace(state, last=news)
        return news

    def overtaken(self, start: ScanStart) -> list[ScanReply]:
        """Another scan of the cell was concluded: requests that were said to be running, as by an
        acquisition that ended then, have failed with the second such scan."""
        news = []
        for identity, state in self._states.items():
            waits = state.status == "running" and state.key is None
            if not waits or state.request.cell != start.key.cell or start.request == identity:
                continue
            if start.key.scan == state.request.after_scan:
                continue  # it led to the request while it was still being received
            scans = (*state.overtaken_by, start.key)
            self._states[identity] = state = replace(state, overtaken_by=scans)
            if len(scans) >= OVERTAKEN:
                numbers = " and ".join(str(key.scan) for key in scans)
                why = f"it was reported as running, but only other scans ({numbers}) followed"
                news.append(ScanReply(identity, "failed", why))
                self._states[identity] = replace(state, last=news[-1])
        return news

    def suggest(self, request: ScanRequest) -> None:
        """A request that waits for the operator; one a cell, the newest."""
        self._suggested[request.cell] = request

    def suggestion(self, cell: str) -> ScanRequest | None:
        """Take what waits for the operator; None if nothing does."""
        return self._suggested.pop(cell, None)

    def suggested(self, cell: str) -> ScanRequest | None:
        """What waits for the operator."""
        return self._suggested.get(cell)
