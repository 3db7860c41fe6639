"""A scan of BLISS as a bluesky run: its start, a page of events for some of its points, its stop.

Uids follow from the scan's key, so that a run that is published again is the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from event_model import compose_run

from monitor.sources.bliss.counters import Choice
from monitor.sources.bliss.points import Numbers, Rows
from monitor.sources.bliss.scan import BlissScan
from monitor.sources.feeds.documents import UNITS

Document = tuple[str, Mapping[str, Any]]
ExitStatus = Literal["success", "abort", "fail"]
ENDS: Mapping[str, ExitStatus] = {"SUCCESS": "success", "USER_ABORT": "abort"}


class ScanRun:
    """The documents of one scan."""

    def __init__(self, cell: str, scan: BlissScan, choice: Choice, time: float) -> None:
        """`time`: of the first point, UTC s. A run without a quantity of the cycler is of no cell:
        an engine would miss its readings."""
        self._choice = choice
        uid = str(uuid5(NAMESPACE_URL, f"{cell} {scan.key}"))
        facts = {name: getattr(scan, name) for name in ("key", "title", "session", "proposal")}
        facts |= {"collection": scan.collection, "dataset": scan.dataset}
        of_a_cycler = any(one.key in UNITS for one in choice.columns)
        self._run = compose_run(
            uid=uid,
            time=time,
            metadata={
                **({"cell": cell} if of_a_cycler else {}),
                "plan_name": "publish-bliss",
                "scan_id": scan.number,
                "bliss": facts,
            },
        )
        self._stream = self._run.compose_descriptor(
            name="primary",
            uid=str(uuid5(NAMESPACE_URL, uid)),
            time=time,
            data_keys={
                one.key: {
                    "source": f"bliss:{one.channel.name}",
                    "dtype": "number",
                    "shape": [],
                    "units": one.units,
                }
                for one in choice.columns
            },
        )

    def begin(self) -> Iterator[Document]:
        yield "start", self._run.start_doc
        yield "descriptor", self._stream.descriptor_doc

    def pages(
        self, times: Numbers, rows: Rows, used: Sequence[int], size: int
    ) -> Iterator[Document]:
        """The rows at the places `used`, at most `size` in a document. `times`: of all rows."""
        for first in range(0, len(used), size):
            places = list(used[first : first + size])
            stamps = times[places].tolist()
            data = {
                one.key: (rows.columns[one.channel.name][places] * one.factor).tolist()
                for one in self._choice.columns
            }
            yield (
                "event_page",
                self._stream.compose_event_page(
                    data=data,
                    timestamps=dict.fromkeys(data, stamps),
                    time=stamps,
                    seq_num=[rows.first + place + 1 for place in places],
                    validate=False,
                ),
            )

    def end(self, reason: str, time: float) -> Document:
        """`reason`: as BLISS says it; `time`: of the last point, UTC s."""
        status = ENDS.get(reason, "fail")
        return "stop", self._run.compose_stop(exit_status=status, reason=reason, time=time)
