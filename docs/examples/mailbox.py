"""Answers scan requests of pitwatch. Argument: address to bind, as in `requests.endpoint`."""

import json
import sys

import zmq


def make_scan(cell, request):
    """Your acquisition. `request` goes into the header of the slice stream; returns its `scan`."""
    print(f"scan of cell {cell} for request {request}", flush=True)
    return len(replies)


def say(status, **more):
    replies[wish["id"]] = {"type": "scan_reply", "id": wish["id"], "status": status, **more}
    router.send_multipart([peer, json.dumps(replies[wish["id"]]).encode()])


replies = {}  # what was said last of each request: one that is sent again makes no second scan
router = zmq.Context().socket(zmq.ROUTER)
router.bind(sys.argv[1])
while True:
    peer, frame = router.recv_multipart()
    wish = json.loads(frame)
    if wish["id"] in replies:
        router.send_multipart([peer, json.dumps(replies[wish["id"]]).encode()])
        continue
    say("running")
    say("done", scan=make_scan(wish["cell"], wish["id"]))
