"""A screen written from the contract alone, and how a publisher is fed by hand."""

import json
import time

import numpy as np
import zmq

from monitor.engine.serving.engine_state import EngineState
from tests.helpers.waiting import PATIENCE_MS, PATIENCE_S

ANY_PORT = {"status": "tcp://127.0.0.1:*", "pull": "tcp://127.0.0.1:*"}
FEEDS = {"slices": {"messages": 10, "bad": {"not_json": 1}}, "documents": {"messages": 3}}


class Screen:
    """Sends JSON, waits for the reply."""

    def __init__(self, publisher):
        self.context = zmq.Context()
        self.dealer = self.context.socket(zmq.DEALER)
        self.dealer.connect(publisher.pull_address)
        self.sub = self.context.socket(zmq.SUB)
        self.sub.subscribe(b"")
        self.sub.connect(publisher.status_address)

    def ask(self, **request):
        self.dealer.send_json(request)
        assert self.dealer.poll(PATIENCE_MS), f"no answer to {request}"
        header, *buffers = self.dealer.recv_multipart()
        header = json.loads(header)
        if not buffers:
            return header
        return header, np.frombuffer(buffers[0], header["dtype"]).reshape(header["shape"])

    def status(self, kind, until=PATIENCE_S):
        """Status messages up to the first of this kind."""
        seen, end = [], time.monotonic() + until
        while time.monotonic() < end:
            if self.sub.poll(100):
                seen.append(json.loads(self.sub.recv()))
                if seen[-1]["type"] == kind:
                    return seen
        raise AssertionError(f"no {kind} among {[s['type'] for s in seen]}")

    def close(self):
        self.context.destroy(linger=0)


def update(publisher, *outputs, running=None, cycler=None):
    state = EngineState(feeds=FEEDS, running=running or {"A": None}, cycler=cycler or {})
    publisher.update(outputs, state)
