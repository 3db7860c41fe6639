"""Two cells through a network that loses, repeats and shuffles what it will, as hypothesis finds
the worst of it: every scan gives what it gives in order, or its hole is declared."""

from dataclasses import replace
from functools import cache

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.core.session import Session
from monitor.records import BadInput, FeedQuiet, ScanResult, ScanStart, SliceFrame
from tests.core.experiment import SHAPE, cycler_documents, scan_records
from tests.core.experiment import settings as settings_of
from tests.core.test_session import events, finals, plain

CELLS, SCANS, HERE = ("A", "B"), 3, "tcp://127.0.0.1:5602"
HOW_IT_CAME = "slices_recovered"
AHEAD = 30
MADE = settings_of(*CELLS, feeds={"resend": [HERE]})
DOCUMENTS = {cell: cycler_documents(1800.0 * (SCANS - 1) + 60, name=cell) for cell in CELLS}
SENT = {
    (cell, scan): scan_records(scan, name=cell, stream=f"s{cell}", resend=HERE)
    for cell in CELLS
    for scan in range(SCANS)
}


def before(cell: str, scan: int) -> list:
    """Readings of the half hour up to a scan, and the run before the first."""
    run, readings = DOCUMENTS[cell][:2], DOCUMENTS[cell][2:]
    until = 1800.0 * scan + 30
    return (run if scan == 0 else []) + [
        d for d in readings if until - 1800 < d.doc["time"] <= until
    ]


def result_of(result: ScanResult) -> tuple:
    """All that was computed, but for how the slices came."""
    *_, maps, labels, pits, summary = plain(result)
    return maps, labels, str(pits), str({k: v for k, v in summary.items() if k != HOW_IT_CAME})


@cache
def in_order() -> dict:
    """By cell and scan what comes of a network without faults."""
    session, found = Session(MADE), {}
    for (cell, scan), records in SENT.items():
        for record in (*before(cell, scan), *records):
            for result in finals(session.feed(record)):
                found[result.key.cell, result.key.scan] = result_of(result)
    assert set(found) == set(SENT)
    return found


class Network(RuleBasedStateMachine):
    """What the producers have sent is under way until it is delivered or lost; what was lost can be
    asked for, as the session says, until somebody gives up."""

    @initialize()
    def begin(self) -> None:
        self.session = Session(MADE)
        self.outputs: list = []
        self.next = {cell: [r for s in range(SCANS) for r in SENT[cell, s]] for cell in CELLS}
        self.under_way: dict[str, list] = {cell: [] for cell in CELLS}
        self.delivered: list = []
        self.came: set = set()
        self.given_up: set = set()
        self.headless: set = set()
        self.garbage_count = 0

    def feed(self, record) -> None:
        self.outputs += self.session.feed(record)
        if isinstance(record, SliceFrame):
            self.came.add((record.cell, record.scan, record.frame))

    def send_one(self, cell: str) -> None:
        record = self.next[cell].pop(0)
        if isinstance(record, ScanStart):
            for document in before(cell, record.key.scan):
                self.feed(document)
        self.under_way[cell].append(record)

    def deliver_one(self, cell: str, place: int) -> None:
        record = self.under_way[cell].pop(place)
        self.delivered.append(record)
        self.feed(record)

    # --- what can happen ------------------------------------------------------------------------

    @rule(cell=st.sampled_from(CELLS), count=st.integers(1, 2 * SHAPE[0]))
    def send(self, cell: str, count: int) -> None:
        for _ in range(min(count, len(self.next[cell]))):
            self.send_one(cell)

    @rule(cell=st.sampled_from(CELLS), count=st.integers(1, 2 * SHAPE[0]))
    def deliver(self, cell: str, count: int) -> None:
        for _ in range(min(count, len(self.under_way[cell]))):
            self.deliver_one(cell, 0)

    @rule(cell=st.sampled_from(CELLS), places=st.lists(st.integers(0, AHEAD), max_size=40))
    def deliver_out_of_order(self, cell: str, places: list[int]) -> None:
        for place in places:
            if place < len(self.under_way[cell]):
                self.deliver_one(cell, place)

    @rule(cell=st.sampled_from(CELLS), places=st.lists(st.integers(0, AHEAD), max_size=10))
    def lose(self, cell: str, places: list[int]) -> None:
        for place in places:
            if place < len(self.under_way[cell]):
                self.under_way[cell].pop(place)

    @rule(places=st.lists(st.integers(0, 10**6), max_size=10))
    def repeat(self, places: list[int]) -> None:
        for place in places if self.delivered else ():
            self.feed(self.delivered[place % len(self.delivered)])

    @rule(cell=st.sampled_from(CELLS))
    def tell_readings_again(self, cell: str) -> None:
        for document in DOCUMENTS[cell][:40]:
            self.feed(document)

    @rule(cell=st.sampled_from(CELLS), frame=st.integers(-2, SHAPE[0] + 2))
    def garbage(self, cell: str, frame: int) -> None:
        self.outputs += self.session.feed(BadInput("slices", "not_json", "a message is not JSON"))
        self.garbage_count += 1
        pixels = np.zeros((7, 9), np.uint16)
        bad = SliceFrame(cell, 0, f"s{cell}", 10**6, frame, pixels)
        self.outputs += self.session.feed(bad)
        self.outputs += self.session.feed(replace(bad, cell="Z"))

    @rule(share=st.sampled_from([0.3, 1.0]), seed=st.integers(0, 99))
    def ask_again(self, share: float, seed: int) -> None:
        """What the session lacks comes, or a part of it."""
        self.answer(share, seed, silent=False)

    def answer(self, share: float, seed: int, *, silent: bool) -> None:
        """`silent`: nothing comes by itself any more, and all is asked for."""
        chance = np.random.default_rng(seed)
        for unknown in self.session.outstanding.unknown:
            if unknown not in self.headless:
                header = SENT[unknown.cell, unknown.scan][0]
                self.feed(replace(header, recovered=True))
        for lacking in self.session.outstanding.lacking:
            records = SENT[lacking.key.cell, lacking.key.scan]
            for frame in lacking.all if lacking.over or silent else lacking.lost:
                if chance.random() < share:
                    self.feed(replace(records[1 + frame], recovered=True))

    @precondition(lambda self: self.session.outstanding.lacking)
    @rule(place=st.integers(0, 5))
    def give_up(self, place: int) -> None:
        """Nobody has what a scan lacks."""
        lacking = self.session.outstanding.lacking
        lacking = lacking[place % len(lacking)].key
        self.given_up.add((lacking.cell, lacking.scan))
        self.feed(FeedQuiet(cell=lacking.cell, run=lacking.run, scan=lacking.scan))

    @precondition(lambda self: self.session.outstanding.unknown)
    @rule(place=st.integers(0, 5))
    def give_up_a_header(self, place: int) -> None:
        """Nobody has the header of a scan of which something has come."""
        unknown = self.session.outstanding.unknown[place % len(self.session.outstanding.unknown)]
        self.headless.add(unknown)
        self.feed(FeedQuiet(cell=unknown.cell, scan=unknown.scan, stream=unknown.stream))

    @rule(cell=st.sampled_from(CELLS))
    def fall_silent(self, cell: str) -> None:
        """Nothing of a cell has come for a while, and nothing that is over is asked for."""
        outstanding = self.session.outstanding
        asked = {one.key.cell for one in outstanding.lacking if one.over}
        if cell in outstanding.waiting and cell not in asked | outstanding.held:
            self.feed(FeedQuiet(cell=cell))

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def each_scan_is_concluded_once_and_in_its_order(self) -> None:
        for cell in CELLS:
            if any(one.cell == cell for one in self.headless):
                continue
            numbers = [r.key.scan for r in finals(self.outputs) if r.key.cell == cell]
            assert numbers == sorted(set(numbers))

    @invariant()
    def what_is_whole_is_as_in_order_and_what_is_not_was_given_up(self) -> None:
        doubtful = {one.cell for one in self.headless}
        for result in finals(self.outputs):
            cell, scan = result.key.cell, result.key.scan
            for frame in np.flatnonzero(result.ledger):
                assert (cell, scan, int(frame)) in self.came
            if not result.complete:
                assert (cell, scan) in self.given_up
                missing = np.flatnonzero(result.ledger == 0).tolist()
                (alarm,) = [
                    e
                    for e in events(self.outputs, "alarm")
                    if (e.cell, e.data.get("scan")) == (cell, scan) and "missing" in e.data
                ]
                assert alarm.data["missing"] == missing[: len(alarm.data["missing"])]
                assert result.summary["slices_missing"] == len(missing)
                doubtful.add(cell)  # later scans build on this one
            elif cell not in doubtful:
                assert result_of(result) == in_order()[cell, scan]
        assert self.session.feeds["slices"]["bad"].get("not_json", 0) == self.garbage_count

    def teardown(self) -> None:
        """All that is left is sent and delivered; then each scan is asked for until it is there."""
        if not hasattr(self, "session"):
            return
        for cell in CELLS:
            while self.next[cell]:
                self.send_one(cell)
            while self.under_way[cell]:
                self.deliver_one(cell, 0)
        for _ in range(2 * SCANS):
            self.answer(1.0, 0, silent=True)
        assert not self.session.outstanding.lacking
        assert not set(self.session.outstanding.unknown) - self.headless
        self.feed(FeedQuiet(given_up=True))
        self.each_scan_is_concluded_once_and_in_its_order()
        self.what_is_whole_is_as_in_order_and_what_is_not_was_given_up()
        done = {(r.key.cell, r.key.scan) for r in finals(self.outputs)}
        lost = {(one.cell, one.scan) for one in self.headless}
        assert set(SENT) - done <= lost, f"{set(SENT) - done} are missing"


Network.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes many minutes
    suppress_health_check=list(HealthCheck),
)
TestNetwork = Network.TestCase
