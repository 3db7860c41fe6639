"""Scan requests of pitwatch as EPICS PVs. Argument: address to bind, as in `requests.endpoint`.

PIT:REQUEST, :CELL and :REASON show the request whose turn it is. Whoever makes the scan puts :SCAN
and :WHY where they are known, then :STATUS: accepted, running, at last done, refused or failed.
"""

import json
import sys

import zmq
from caproto import ChannelType
from caproto.server import PVGroup, pvproperty, run


class Requests(PVGroup):
    request = pvproperty(name="REQUEST", value="", dtype=ChannelType.STRING, read_only=True)
    cell = pvproperty(name="CELL", value="", dtype=ChannelType.STRING, read_only=True)
    reason = pvproperty(name="REASON", value="", dtype=ChannelType.STRING, read_only=True)
    why = pvproperty(name="WHY", value="", dtype=ChannelType.STRING)
    scan = pvproperty(name="SCAN", value=-1)
    status = pvproperty(name="STATUS", value="", dtype=ChannelType.STRING)
    peers, replies, waiting = {}, {}, []  # by id: who asked, what was said last; whose turn it is

    @status.putter
    async def status(self, instance, value):
        turn = self.waiting[0]["id"] if self.waiting else None
        final = value in ("done", "refused", "failed")
        if turn != self.request.value or not (final or value in ("accepted", "running")):
            raise ValueError(f"PIT:STATUS: got {value!r}; no such status, or no request waits")
        if final:
            self.waiting.pop(0)
        scan = int(self.scan.value) if self.scan.value >= 0 else None
        self.say(turn, {"status": value, "why": self.why.value, "scan": scan})

    @status.startup
    async def status(self, instance, async_lib):
        self.router = zmq.Context().socket(zmq.ROUTER)
        self.router.bind(sys.argv[1])
        while True:
            while self.router.poll(0):
                peer, frame = self.router.recv_multipart()
                wish = json.loads(frame)
                if wish["id"] not in self.peers:
                    self.waiting.append(wish)
                self.peers[wish["id"]] = peer
                self.say(wish["id"], self.replies.get(wish["id"], {"status": "accepted"}))
            turn = self.waiting[0] if self.waiting else {"id": "", "cell": "", "reason": ""}
            if turn["id"] != self.request.value:
                shown = {"why": "", "scan": -1, "cell": turn["cell"][:39], "request": turn["id"]}
                shown |= {"reason": turn["reason"][:39], "status": "waiting" if turn["id"] else ""}
                for name, value in shown.items():
                    await getattr(self, name).write(value, verify_value=False)
            await async_lib.sleep(0.05)

    def say(self, identity, reply):
        self.replies[identity] = reply = {"type": "scan_reply", "id": identity, **reply}
        self.router.send_multipart([self.peers[identity], json.dumps(reply).encode()])


run(Requests(prefix="PIT:").pvdb, interfaces=["127.0.0.1"], log_pv_names=False)
