"""The bare subscriber: receives COUNT messages at ADDRESS, keeps none, prints the seconds
and those of a core that they took."""

from __future__ import annotations

import sys
import time

import zmq


def main() -> None:
    """From the first message to the last."""
    address, count = sys.argv[1], int(sys.argv[2])
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.setsockopt(zmq.RCVHWM, 4000)
    socket.connect(address)
    socket.recv_multipart(copy=False)
    begin, busy = time.perf_counter(), time.process_time()
    for _ in range(count - 1):
        socket.recv_multipart(copy=False)
    print(time.perf_counter() - begin, time.process_time() - busy)


if __name__ == "__main__":
    main()
