"""Recorded experiments judged again: the live decisions come out the same, others beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from monitor.core.session import Session
from monitor.engine.recorder import Recorder
from monitor.errors import SettingError
from monitor.records import (
    OperatorRequest,
    Order,
    Output,
    PolicyChange,
    Record,
    ScanReply,
    ScanRequest,
)
from monitor.report.policies import backtest
from tests.core.experiment import cycler_documents, experiment, scan_records, settings

POLICY = """
[onset]
when = ["growth", "new_pits and closure"]
max_growth_um_h = 4.0
dose_per_scan_kGy = 2.0
"""


def recorded(
    folder: Path,
    *,
    answer: str = "accepted",
    orders: Mapping[int, Order] | None = None,
    **onset: Any,
) -> Path:
    """Three scans of a cell; requests are answered so, suggestions confirmed; a fourth scan answers
    what was asked for. `orders`: what an operator orders before the message of this number."""
    chosen = settings(experiment={"name": "trial", "data_dir": str(folder)}, onset=onset)
    session, recorder = Session(chosen), Recorder(chosen)
    asked: list[str] = []

    def feed(record: Record) -> None:
        outputs = session.feed(record)
        recorder.write("test", (), record, outputs)
        for output in outputs:
            follow(output)

    def follow(output: Output) -> None:
        if isinstance(output, ScanRequest):
            asked.append(output.id)
            feed(ScanReply(output.id, answer))  # type: ignore[arg-type]
        elif getattr(output, "kind", "") == "scan_suggested":
            feed(OperatorRequest("A", "pit_onset", 0.0, output.data["id"]))

    for number, record in enumerate(experiment()):
        if orders and number in orders:
            feed(orders[number])
        feed(record)
    if asked and answer == "accepted":
        for document in cycler_documents(5400.0)[63:]:
            feed(document)
        for record in scan_records(2, reason="extra", request=asked[0], start_time=5400.0,
                                   stop_time=5460.0):  # fmt: skip
            feed(record)
    recorder.close()
    return recorder.folder


@pytest.mark.parametrize(
    ("onset", "answer"),
    [
        ({}, "accepted"),
        ({"mode": "suggest"}, "accepted"),
        ({"mode": "off"}, "accepted"),
        ({"when": ["growth", "current_step"], "max_growth_um_h": 1.0}, "refused"),
    ],
)
@pytest.mark.slow
def test_the_live_decisions_come_out_the_same(
    tmp_path: Path, onset: dict[str, Any], answer: str
) -> None:
    folder = recorded(tmp_path, answer=answer, **onset)
    ((live,),) = backtest([folder], [], as_json=True).values()
    same = live["reproduced"]
    assert same["same"] == same["of"] == live["scans"] >= 3
    events = (folder / "A" / "events.jsonl").read_text().splitlines()
    told = [event["data"] for event in map(json.loads, events) if event["kind"] == "decision"]
    fired = [row["scan"] for row in live["fired"]]
    assert fired == [data["scan"] for data in told if data["verdict"] != "no"]
    assert bool(fired) is (onset.get("mode") != "off")


@pytest.mark.parametrize(
    ("onset", "orders", "verdicts"),
    [
        ({}, {150: PolicyChange("A", "off")}, ["no", "no", "no"]),
        ({"mode": "off"}, {150: PolicyChange("A", "auto")}, ["no", "ask", "no"]),
        ({"mode": "off"}, {300: PolicyChange("A", "auto")}, ["no", "no", "ask"]),
        ({"mode": "off"}, {90: PolicyChange("A", "suggest")}, ["no", "suggest", "no"]),
        ({}, {90: PolicyChange("A", "auto", 0), 300: PolicyChange("A", "auto", 5)},
         ["no", "no", "ask"]),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_decisions_under_a_policy_that_was_changed_come_out_the_same(
    tmp_path: Path, onset: dict[str, Any], orders: dict[int, Order], verdicts: list[str]
) -> None:
    folder = recorded(tmp_path, orders=orders, cooldown_s=0.0, **onset)
    ((live,),) = backtest([folder], [], as_json=True).values()
    same = live["reproduced"]
    assert same["same"] == same["of"] == live["scans"] >= 3
    events = (folder / "A" / "events.jsonl").read_text().splitlines()
    decided = [event["data"] for event in map(json.loads, events) if event["kind"] == "decision"]
    told = [data["verdict"] for data in decided]
    assert told[:3] == verdicts
    without = [line for line in events if '"policy_changed"' not in line]
    (folder / "A" / "events.jsonl").write_text("\n".join(without) + "\n")
    ((deaf,),) = backtest([folder], [], as_json=True).values()
    assert deaf["reproduced"]["same"] < same["same"], "the changes are what made them so"


@pytest.mark.slow
def test_a_recording_that_does_not_say_the_mode_can_be_judged_again(tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    events = folder / "A" / "events.jsonl"
    older = events.read_text().replace('"mode":"auto","max_scans":20,', "")
    assert older != events.read_text()
    events.write_text(older)
    ((live,),) = backtest([folder], [], as_json=True).values()
    assert live["reproduced"]["same"] == live["reproduced"]["of"] > 0


@pytest.mark.slow
def test_a_decision_that_was_changed_is_told(tmp_path: Path) -> None:
    folder = recorded(tmp_path)
    events = folder / "A" / "events.jsonl"
    events.write_text(events.read_text().replace('"verdict":"ask"', '"verdict":"no"'))
    ((live,),) = backtest([folder], [], as_json=True).values()
    assert live["reproduced"]["same"] == live["reproduced"]["of"] - 1


@pytest.mark.slow
def test_another_policy_stands_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recorded(tmp_path)
    policy = tmp_path / "careful.toml"
    policy.write_text(POLICY)
    found = backtest([folder], [policy], out=tmp_path / "out")
    (live, other), *_ = found.values()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert live["fired"][0]["scan"] == live["first_pit_known_later"] == 1
    assert live["scans_after_first_pit"] == 0
    assert other["policy"] == "careful" and other["reproduced"] is None
    assert other["fired"][0]["scan"] == 2, "growth needs two scans with pits"
    assert other["dose_kGy"] == 2.0 * (3 + len(other["fired"]))
    said = capsys.readouterr().out
    assert "careful" in said and "fastest growth" in said
    picture = imread(tmp_path / "out" / "backtest.png")
    assert picture[..., :3].std() > 0.02


def test_a_wrong_policy_is_one_line(tmp_path: Path) -> None:
    policy = tmp_path / "wrong.toml"
    policy.write_text('[onset]\nwhen = ["new_pit"]\n')
    with pytest.raises(SettingError, match="new_pits"):
        backtest([recorded(tmp_path)], [policy], as_json=True)
