"""Opens many connections to an address and says nothing: `python -m tests.system.idle_clients PORT
COUNT KIND`. KIND: "raw", or "zmq" for those that shake hands. Ends when its input closes."""

import resource
import socket
import sys
import time

import zmq


def main(port: int, count: int, kind: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    links = []
    if kind == "zmq":
        context = zmq.Context()
        context.max_sockets = count + 10
    for _ in range(count):
        if kind == "raw":
            links.append(socket.create_connection(("127.0.0.1", port), timeout=30))
        else:
            links.append(context.socket(zmq.DEALER))
            links[-1].linger = 0
            links[-1].connect(f"tcp://127.0.0.1:{port}")
    time.sleep(1)
    print("there", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
