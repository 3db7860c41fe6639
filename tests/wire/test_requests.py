import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import BadMessage
from monitor.records import ReplyStatus, ScanReply, ScanRequest
from monitor.wire import requests

REQUEST = ScanRequest("4f0c", "A", "pit_onset", 7, {"pits": 3, "p_value": 1e-6})


def test_request_is_what_the_contract_says():
    assert json.loads(requests.encode_request(REQUEST)) == {
        "type": "scan_request", "id": "4f0c", "cell": "A", "reason": "pit_onset", "after_scan": 7,
        "evidence": {"pits": 3, "p_value": 1e-6},
    }  # fmt: skip


def test_reply_is_what_the_contract_says():
    assert json.loads(requests.encode_reply(ScanReply("4f0c", "done", scan=8))) == {
        "type": "scan_reply", "id": "4f0c", "status": "done", "why": "", "scan": 8,
    }  # fmt: skip


printable = st.characters(codec="utf-8").filter(str.isprintable)
texts = st.text(printable, min_size=1, max_size=50)


@given(texts, texts, texts, st.integers(-1, 2**31), st.dictionaries(texts, st.integers()))
def test_request_round_trip(id_, cell, reason, after_scan, evidence):
    request = ScanRequest(id_, cell, reason, after_scan, evidence)
    assert requests.decode_request(requests.encode_request(request)) == request


@given(
    texts,
    st.sampled_from(get_args(ReplyStatus)),
    st.text(printable, max_size=80),
    st.none() | st.integers(0, 9),
)
def test_reply_round_trip(id_, status, why, scan):
    reply = ScanReply(id_, status, why, scan)
    assert requests.decode_reply(requests.encode_reply(reply)) == reply


def test_words_fit_on_one_line():
    """They go to screens, terminals and files of events."""
    frame = json.dumps(
        {"type": "scan_reply", "id": "1", "status": "refused", "why": "a\n\x1b[31mb"}
    )
    assert requests.decode_reply(frame.encode()).why == "a \\x1b[31mb"
    for text in ("a\nb", "\x1b[31m", "\ud800"):
        with pytest.raises(BadMessage):
            requests.decode_reply(json.dumps({**json.loads(frame), "id": text}).encode())


def test_evidence_may_hold_numpy_and_numbers_that_json_lacks():
    evidence = {
        "depth": np.float32(2.5),
        "at": np.array([1, 2]),
        "p": float("nan"),
        "in": (np.inf,),
    }
    request = ScanRequest("1", "A", "pit_onset", 0, evidence)
    decoded = requests.decode_request(requests.encode_request(request))
    assert decoded.evidence == {"depth": 2.5, "at": [1, 2], "p": None, "in": [None]}


@given(st.binary(max_size=60))
def test_garbage_costs_one_message(frame):
    with pytest.raises(BadMessage):
        requests.decode_request(frame)
    with pytest.raises(BadMessage):
        requests.decode_reply(frame)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "scan_reply"},
        {"id": ""},
        {"id": 5},
        {"id": "x" * 501},
        {"cell": None},
        {"reason": []},
        {"after_scan": "7"},
        {"after_scan": True},
        {"after_scan": -2},
        {"evidence": [1]},
    ],
)
def test_bad_request_names_the_key(change):
    message = json.loads(requests.encode_request(REQUEST)) | change
    with pytest.raises(BadMessage, match=next(iter(change))) as caught:
        requests.decode_request(json.dumps(message).encode())
    assert caught.value.kind == "bad_request"


@pytest.mark.parametrize("change", [{"status": "maybe"}, {"scan": -1}, {"scan": 1.5}, {"why": 3}])
def test_bad_reply_names_the_key(change):
    message = json.loads(requests.encode_reply(ScanReply("1", "done", "", 3))) | change
    with pytest.raises(BadMessage, match=next(iter(change))):
        requests.decode_reply(json.dumps(message).encode())


def test_an_endless_message_is_not_parsed():
    with pytest.raises(BadMessage, match="bytes for a scan_request"):
        requests.decode_request(b" " * (requests.MAX_BYTES + 1))
