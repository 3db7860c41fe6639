"""Requests, replies and status messages of the results wire."""

import json

import numpy as np
import pytest

from monitor.errors import BadMessage
from monitor.records import Pit
from monitor.wire.fields import to_json
from monitor.wire.results import replies


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "uint16"])
def test_arrays_come_back_read_only(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    header, back = replies.decode_reply(replies.encode_reply({"type": "map"}, array[:, ::2]))
    assert header["shape"] == [3, 2]
    assert header["dtype"] == dtype
    np.testing.assert_array_equal(back, array[:, ::2])
    assert not back.flags.writeable


def test_a_reply_whose_buffer_does_not_fit_its_header_is_refused():
    frames = replies.encode_reply({"type": "map"}, np.zeros((3, 4), np.float32))
    with pytest.raises(BadMessage, match="40 bytes, expected 48"):
        replies.decode_reply([frames[0], bytes(frames[1])[:40]])
    with pytest.raises(BadMessage):
        replies.decode_reply([b'{"type":"map","shape":[-1],"dtype":"float32"}', b""])
    with pytest.raises(BadMessage):
        replies.decode_reply([b'{"type":"map","shape":[1],"dtype":"object"}', b"12345678"])
    with pytest.raises(BadMessage):
        replies.encode_reply({"type": "map"}, np.zeros(2, object))


def test_status_messages_keep_their_data_and_never_hold_nan():
    sent = replies.Status("pit_onset", 7, 12.5, "A", {"pits": np.int64(3), "p": float("nan")})
    frame = replies.encode_status(sent)
    assert b"NaN" not in frame
    back = replies.decode_status(frame)
    assert (back.kind, back.version, back.time, back.cell) == ("pit_onset", 7, 12.5, "A")
    assert back.data == {"pits": 3, "p": None}
    with pytest.raises(BadMessage):
        replies.decode_status(b'{"version":1}')


def test_plain_turns_records_into_json():
    value = {"a": (np.float32(1.5), np.nan), "b": np.array([1, 2]), "c": {True, False}, "d": None}
    text = json.loads(to_json(value))
    assert text["a"] == [1.5, None]
    assert text["b"] == [1, 2]
    assert sorted(text["c"]) == [False, True]


def test_windows_are_clipped_and_thinned_to_fit():
    assert replies.fit((100, 200), None, None) == (0, 100, 0, 200)
    assert replies.fit((100, 200), (90, 500, 0, 10), (5, 5)) == (90, 100, 0, 10)
    with pytest.raises(BadMessage):
        replies.fit((100, 200), (100, 120, 0, 10), None)
    assert replies.thinning((100, 200), None) == 1
    assert replies.thinning((100, 200), (100, 200)) == 1
    assert replies.thinning((101, 200), (100, 200)) == 2
    step = replies.thinning((907, 8368), (300, 600))
    assert len(range(0, 907, step)) <= 300
    assert len(range(0, 8368, step)) <= 600
    assert len(range(0, 8368, step - 1)) > 600


def test_pit_columns_name_their_unit():
    pit = Pit(4, -1, 2, 10.0, 20.0, 300.0, 19.5, 12.0, 6.0, 1800.0, 1.2, 1e-6)
    columns = replies.pit_columns([pit], "µm")
    assert ",".join(columns) == (
        "id,parent,first_scan,x_um,y_um,area_um2,diameter_um,depth_max_um,depth_mean_um,volume_um3,"
        "current_density_mA_cm2,p_value,depth_max_error_um"
    )
    assert columns["area_um2"] == [300.0]
    voxels = replies.pit_columns([pit], "voxel")
    assert voxels["volume_voxel3"] == [1800.0]
    assert not any("_um" in name for name in voxels)


def test_a_row_stands_for_the_end_of_its_discharge():
    def scan(discharge, step, charge, **more):
        return {"discharge": discharge, "step": step, "charge_mAh": charge, **more}

    rows = replies.table_rows(
        [
            scan(None, "rest", None),
            scan(1, "discharge", 0.3),
            scan(1, "rest", 0.6, mean_current_mA_cm2=0.55, complete_um=5.0, closure=float("nan")),
            scan(1, "charge", 0.4),
            scan(1, "rest", 0.1),
            scan(2, "discharge", 0.9, averaged_voxel=3.0),
        ]
    )
    assert [row["discharge"] for row in rows] == [1, 2]
    assert rows[0]["charge_mAh"] == 0.6
    assert rows[0]["current_density_mA_cm2"] == 0.55
    assert rows[0]["complete_um"] == 5.0
    assert rows[0]["closure"] is None
    assert "averaged_voxel" not in rows[0]
    assert rows[1]["averaged_voxel"] == 3.0
    assert next(iter(rows[0])) == "discharge"
    assert len(rows[0]) == 10
