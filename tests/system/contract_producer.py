"""A beamline from the contract alone. Arguments: addresses of slices, cycler, requests."""

import json
import sys

import numpy as np
import zmq

SHAPE, NUMBER = (96, 64, 64), iter(range(10**6))


def volume(scan):
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    dome = np.sqrt(np.clip(100.0 - (y - 30) ** 2 - (x - 25) ** 2, 0, None))
    upper = np.clip(z - 65 + (1.3 + 0.8 * dome) * scan, 0, 1)
    clean = 900 - 700 * np.clip(z - 19.5, 0, 1) + 300 * upper
    return (clean + np.random.default_rng(scan).normal(0, 60, SHAPE)).astype("<u2")


def send(*buffer, **header):
    header |= {"msg_number": next(NUMBER), "stream": "s1", "cell": "A"}
    slices.send_multipart([json.dumps(header).encode(), *buffer])


def scan(index, reason, request):
    send(htype="header", schema="operando-slices/1", filename="", run="", scan=index, axis="z",
         reason=reason, request=request, volume_shape=SHAPE, type="uint16", resend="",
         voxel_size_um=[1, 1, 1], start_time=1800.0 * index, stop_time=1800.0 * index)  # fmt: skip
    for frame, image in enumerate(volume(index)):
        send(image.tobytes(), htype="image", scan=index, frame=frame, shape=SHAPE[1:],
             type="uint16", compression="none")  # fmt: skip
    send(htype="series_end", scan=index, slices=SHAPE[0])


def document(name, /, **doc):
    cycler.send(b" " + name.encode() + b" " + json.dumps(doc).encode())


if __name__ == "__main__":
    slices, cycler, requests = map(zmq.Context().socket, (zmq.XPUB, zmq.XPUB, zmq.ROUTER))
    for socket, address in zip((slices, cycler, requests), sys.argv[1:], strict=True):
        socket.bind(address)
    assert slices.recv() == cycler.recv() == b"\1"
    document("start", uid="r", time=0, cell="A")
    document("descriptor", uid="d", run_start="r", time=0, data_keys={}, name="primary")
    for t in range(0, 3601, 60):
        data = {"vmp_current": -0.1384, "vmp_charge": -0.1384 * t / 3600, "vmp_potential": 2.1}
        document("event", descriptor="d", uid=f"e{t}", seq_num=t // 60 + 1, time=t, data=data,
                 timestamps=dict.fromkeys(data, t))  # fmt: skip
    scan(0, "reference", "")
    scan(1, "periodic", "")
    peer, wish = requests.recv_multipart()
    scan(2, "extra", json.loads(wish)["id"])
    done = json.loads(wish) | {"type": "scan_reply", "status": "done", "why": "", "scan": 2}
    requests.send_multipart([peer, json.dumps(done).encode()])
    sys.stdin.read()
