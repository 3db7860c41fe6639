"""Questions to a resend service and its answers, there and back, and whatever else may come."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import BadMessage
from monitor.records import ResendEnd, ResendQuestion, ScanEnd, SliceFrame
from monitor.wire import resend
from monitor.wire.slices import stins
from monitor.wire.slices.limits import Limits
from tests.core.phantom import start

FRAMES = st.lists(st.integers(0, stins.MAX_SIDE - 1), max_size=64).map(tuple)
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


@given(
    st.text("aßΩ-1", max_size=9), st.integers(0, 2**62), FRAMES, st.booleans(), st.integers(0, 9)
)
def test_a_question_comes_back_as_it_was_asked(cell, scan, frames, header, number):
    question = ResendQuestion(cell, scan, frames, header, "stream", number)
    assert resend.decode_question(resend.encode_question(question)) == question


def test_a_question_is_what_the_contract_says():
    message = json.loads(resend.encode_question(ResendQuestion("A", 7, (3, 4))))
    assert message.items() >= {"htype": "resend", "cell": "A", "scan": 7, "frames": [3, 4]}.items()
    assert "header" not in message
    bare = b'{"htype":"resend","cell":"A","scan":7,"frames":[3],"who":"else"}'
    assert resend.decode_question(bare) == ResendQuestion("A", 7, (3,))


@given(st.integers(0, 2**62), FRAMES, st.integers(0, 2**50))
def test_the_end_of_an_answer_comes_back(scan, frames, number):
    end = ResendEnd("A", scan, frames, number)
    assert resend.decode_answer(resend.encode_end(end)) == end


def test_what_comes_again_is_marked():
    begin = start((3, 3, 4), resend="tcp://127.0.0.1:1")
    frame = SliceFrame("A", 0, "s", 5, 2, PIXELS)
    again = resend.decode_answer(stins.encode_start(begin))
    assert again == begin and again.recovered and not begin.recovered
    again = resend.decode_answer(stins.encode_slice(frame))
    assert again.recovered and (again.frame, again.msg_number) == (2, 5)
    np.testing.assert_array_equal(again.data, PIXELS)


QUESTION = {"htype": "resend", "cell": "A", "scan": 7, "frames": [3]}


@pytest.mark.parametrize(
    "change",
    [
        {"htype": "image"},
        {"cell": 7},
        {"cell": "A\n"},
        {"scan": -1},
        {"scan": True},
        {"frames": 3},
        {"frames": [-1]},
        {"frames": [1.0]},
        {"frames": [True]},
        {"frames": [stins.MAX_SIDE]},
        {"frames": [0] * (resend.MAX_FRAMES + 1)},
        {"stream": 3},
        {"id": "one"},
    ],
)
def test_a_question_that_is_none_is_refused(change):
    with pytest.raises(BadMessage) as caught:
        resend.decode_question(json.dumps(QUESTION | change).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "frame", [b"", b"[]", b"\xff", b"[" * 10**5, b" " * (resend.MAX_BYTES + 1)]
)
def test_bytes_that_are_no_message_are_refused(frame):
    for decode in (resend.decode_question, lambda frame: resend.decode_answer([frame])):
        with pytest.raises(BadMessage):
            decode(frame)


def test_an_answer_that_is_none_is_refused():
    end = stins.encode_end(ScanEnd("A", 0, "s", 1, 3))
    image = stins.encode_slice(SliceFrame("A", 0, "s", 5, 2, PIXELS))
    for frames in ([], end, [image[0]], [b'{"htype":"resend_end","cell":"A","scan":-1}']):
        with pytest.raises(BadMessage):
            resend.decode_answer(frames)
    with pytest.raises(BadMessage, match="raise the setting"):
        resend.decode_answer(image, Limits(slice_pixels=11))
    assert resend.decode_answer(image, Limits(slice_pixels=12)).frame == 2


def test_a_start_that_was_recovered_is_the_same_start():
    begin = start((3, 3, 4))
    assert replace(begin, recovered=True) == begin
