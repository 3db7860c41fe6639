"""A connecting socket that is watched, and connected again when ZeroMQ has given it up.

libzmq reconnects by itself when the other end closes the connection. It does not after what it
takes for a breach of the protocol: a message longer than `MAXMSGSIZE`, another kind of socket, a
mechanism or a key that does not fit. And it does not notice that a connection is dead if nobody
closes it. TCP is asked whether anything arrives; one that is silent is replaced by a new one, which
stands before the old one is closed, so that nothing is lost in between.

Heartbeats of ZMTP would do more harm (decision 0026). Only sockets in which a few small messages
wait send them: theirs is a connection that a peer must be able to recognize.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import zmq
from zmq.utils.monitor import parse_monitor_message

from monitor.records import ConnectionChange, LossReason
from monitor.sockets.transport import Greeting, Probe, port_of, silence_s

RECONNECT_MS, HANDSHAKE_MS, HEARTBEAT_MS = 100, 10_000, 2_000
KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_COUNT = 10, 5, 3
LOOK_S, SILENT_S, SILENCE_LOOK_S = 0.05, 12.0, 1.0
RENEW_S, OVERLAP_S, NOT_RENEWED_S = 30.0, 0.1, 5.0
"""A silent connection is replaced so often; for so long, at least, both stand; after so long
without a new one, the address is dead."""
OVERLAP = 2.0
"""Both stand for so many times as long as the handshake took, in which several messages went each
way: a subscription is one."""
SLOW_S = 3.0
"""A handshake that takes longer is looked into."""
GIVEN_UP_S = 0.5
"""libzmq announces its next try at once; if it has not after this time, there will be none."""
HANDSHAKES_FAILED, FAILING_S = 3, 1.0
"""So many, for so long, are not those of a peer that is just being stopped."""
REOPEN_S, SLOWEST_REOPEN_S = 0.1, 2.0
CALM_S, LONGEST_CALM_S, FORGET_S = 1.0, 30.0, 60.0
"""A connection is back once it has stood for this long; longer, if it is lost again and again."""
EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
KINDS: dict[object, str] = {
    zmq.SUB: "PUB or XPUB",
    zmq.DEALER: "ROUTER",
}
_numbers = itertools.count(1)


@dataclass(slots=True)
class _Loss:
    """A loss that lasts. `told`: what was said of it; None while it is found out who is there."""

    reason: LossReason
    since: float
    times: int = 1
    probe: Probe | None = None
    told: ConnectionChange | None = None


@dataclass(slots=True)
class _Successor:
    """A second connection to the same address. `stands_since`: None until it stands."""

    endpoint: str
    since: float
    descriptor: int = -1
    stands_since: float | None = None

    @property
    def known_from(self) -> float:
        """When the other end knows of its subscription."""
        if self.stands_since is None:
            return math.inf
        return self.stands_since + max(OVERLAP_S, OVERLAP * (self.stands_since - self.since))


class Connection:
    """One socket to one address. All methods are for the thread that uses the socket."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        setting: str,
        address: str,
        *,
        limit: str = "",
        limit_setting: str = "",
        heartbeats: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects `socket`, whose other options are set. `setting` names the address in what is
        reported; `limit`: what a message may not be longer than; `limit_setting`: by which setting
        that can be raised, if by any; `heartbeats`: by these it is found out whether the other end
        is alive, for a socket that is never full of unread messages.

        Raises zmq.ZMQError if the address is none; the socket is then to be closed.
        """
        self.socket, self.setting, self.address = socket, setting, address
        self._limit = limit or f"{int(socket.getsockopt(zmq.MAXMSGSIZE))} bytes"
        self._limit_setting = limit_setting
        self._clock = clock
        self._port = port_of(address)
        self._descriptor = -1
        self._was_cut = False
        self._phase = "opening"
        self._phase_since = self._looked = clock()
        self._silence_looked = self._phase_since
        self._given_up: LossReason | None = None
        self._failed, self._failing_since = 0, 0.0
        self._reopen_at: float | None = None
        self._pause_s = REOPEN_S
        self._loss: _Loss | None = None
        self._lost_last, self._calm_s = float("-inf"), CALM_S
        self._heartbeats = self._answers_heartbeats = heartbeats
        self._silence_probe: Probe | None = None
        self._slow_probe: Probe | None = None
        self._endpoint = address
        self._successor: _Successor | None = None
        self._renewed = float("-inf")
        self._is_old = False
        _watchable(socket, heartbeats=heartbeats)
        self._events = monitored(socket, EVENTS)
        try:
            socket.connect(address)
        except zmq.ZMQError:
            self._close_events()
            raise

    def look(self) -> list[ConnectionChange]:
        """Takes care of the connection; returns what has changed for longer than a moment. To be
        called several times a second; it does nothing if it was called just now."""
        now = self._clock()
        if now - self._looked < LOOK_S:
            return []
        self._looked = now
        self._hear(now)
        self._judge(now)
        self._listen(now)
        self._reopen(now)
        return self._changes(now)

    def dismissed(self) -> list[ConnectionChange]:
        """To be reported before the connection is closed because nobody needs it any more: a loss
        that was reported is over."""
        loss, self._loss = self._loss, None
        if loss is None or loss.told is None:
            return []
        text = f"{self.setting}: {self.address} is no longer needed"
        return [self._change("back", loss, text)]

    def was_cut(self) -> bool:
        """Whether the connection has ended since this was last asked, for whatever reason. Not to
        be asked of one that was closed."""
        self._hear(self._clock())
        cut, self._was_cut = self._was_cut, False
        return cut

    def close(self) -> None:
        """Closes the socket; a second call does nothing."""
        self._close_events()
        self.socket.close(0)

    def _close_events(self) -> None:
        if not self._events.closed:
            with contextlib.suppress(zmq.ZMQError):
                self.socket.disable_monitor()
            self._events.close(0)

    # --- what libzmq tells ------------------------------------------------------------------------

    def _hear(self, now: float) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                said = parse_monitor_message(self._events.recv_multipart(zmq.DONTWAIT))
                event, value = zmq.Event(said["event"]), said["value"]
                if self._successor is None:
                    self._take(event, value, now)
                elif event == zmq.Event.DISCONNECTED and value == self._descriptor:
                    self._drop_successor()  # libzmq connects the first again by itself
                    self._take(event, value, now)
                else:
                    self._take_of(self._successor, event, value, now)

    def _take(self, event: zmq.Event, value: int, now: float) -> None:
        match event:
            case zmq.Event.CONNECTED:
                self._descriptor, self._given_up = value, None
                self._enter("handshake", now)
            case zmq.Event.HANDSHAKE_SUCCEEDED:
                self._failed, self._is_old = 0, False
                self._enter("ready", now)
            case zmq.Event.HANDSHAKE_FAILED_PROTOCOL:
                self._given_up = self._given_up or "stranger"
            case zmq.Event.HANDSHAKE_FAILED_AUTH:
                self._given_up = self._given_up or "key"
            case zmq.Event.HANDSHAKE_FAILED_NO_DETAIL:
                self._failing_since = self._failing_since if self._failed else now
                self._failed += 1
            case zmq.Event.DISCONNECTED if self._phase in ("handshake", "ready"):
                self._was_cut = True
                if self._phase == "ready":
                    self._given_up = "oversize"  # unless libzmq tries again
                self._enter("cut", now)
            case zmq.Event.CONNECT_RETRIED:
                if self._phase == "cut":
                    self._given_up = None
                self._enter("retrying", now)

    @staticmethod
    def _take_of(successor: _Successor, event: zmq.Event, value: int, now: float) -> None:
        match event:
            case zmq.Event.CONNECTED:
                successor.descriptor = value
            case zmq.Event.HANDSHAKE_SUCCEEDED:
                successor.stands_since = now
            case zmq.Event.DISCONNECTED:
                successor.stands_since = None

    def _enter(self, phase: str, now: float) -> None:
        self._phase, self._phase_since = phase, now
        self._slow_probe = None

    # --- whether it is lost -----------------------------------------------------------------------

    def _judge(self, now: float) -> None:
        waited = now - self._phase_since
        if self._phase == "cut" and (self._is_refused or waited >= GIVEN_UP_S):
            self._lose(self._given_up or self._refusal, now)
        elif self._phase == "handshake" and waited > 2 * HANDSHAKE_MS / 1000:
            self._is_old = True  # before ZMTP 3 nobody says that it is over
            self._enter("ready", now)
        elif self._phase == "handshake" and waited > SLOW_S and self._speaks_no_zmtp:
            self._lose("stranger", now)
        elif self._failed >= HANDSHAKES_FAILED and now - self._failing_since >= FAILING_S:
            self._failed = 1
            if self._loss is None:
                self._lose(self._refusal, now, reopen=False)

    @property
    def _speaks_no_zmtp(self) -> bool:
        """Whether a server that speaks first, as for SSH or mail, is there. libzmq takes its words
        for those of a peer before ZMTP 2, and waits for messages."""
        if self._slow_probe is None:
            self._slow_probe = Probe(self.address)
        greeting = self._slow_probe.greeting if self._slow_probe.done else None
        return greeting is not None and greeting.version == (0, 0)

    @property
    def _is_refused(self) -> bool:
        """Whether libzmq has said itself that it gives the connection up."""
        return self._given_up in ("stranger", "key")

    @property
    def _refusal(self) -> LossReason:
        """Why the other end disconnects in the handshake: with keys, they are the likeliest
        reason."""
        return "key" if self._has_keys else "stranger"

    @property
    def _has_keys(self) -> bool:
        return bool(self.socket.mechanism == zmq.CURVE)

    def _listen(self, now: float) -> None:
        """Whether anything arrives."""
        if self._port is None or self._phase != "ready" or self._is_old:
            self._silence_probe = None
            self._drop_successor()
            return
        if self._successor is not None:
            self._renew(self._successor, now)
            return
        if now - self._silence_looked < SILENCE_LOOK_S:
            return
        self._silence_looked = now
        silent = silence_s(self._descriptor, self._port)
        if self._heartbeats:
            self._look_into(silent, now)
        elif silent is not None and silent >= SILENT_S and now - self._renewed >= RENEW_S:
            self._successor = _Successor(_respelled(self._endpoint), now)
            with contextlib.suppress(zmq.ZMQError):  # as without a descriptor
                self.socket.connect(self._successor.endpoint)

    def _renew(self, successor: _Successor, now: float) -> None:
        """The old connection is closed once the new one stands and all is read: it may have brought
        something after all, and `disconnect` would drop that."""
        if successor.stands_since is None:
            if now - successor.since >= NOT_RENEWED_S:
                self._drop_successor()
                self._lose("silent", now)
        elif now >= successor.known_from and not self.socket.poll(0, zmq.POLLIN):
            self._disconnect(self._endpoint)
            self._endpoint, self._descriptor = successor.endpoint, successor.descriptor
            self._successor, self._renewed = None, now

    def _drop_successor(self) -> None:
        if self._successor is not None:
            self._disconnect(self._successor.endpoint)
            self._successor = None

    def _disconnect(self, endpoint: str) -> None:
        with contextlib.suppress(zmq.ZMQError):
            self.socket.disconnect(endpoint)

    def _look_into(self, silent: float | None, now: float) -> None:
        """Who is silent may be one that does not answer heartbeats."""
        if not self._answers_heartbeats or silent is None or silent < SILENT_S:
            self._silence_probe = None
        elif self._silence_probe is None:
            self._silence_probe = Probe(self.address)
        elif self._silence_probe.done:
            greeting = self._silence_probe.greeting
            self._silence_probe = None
            self._answers_heartbeats = greeting is None or greeting.answers_heartbeats
            if self._answers_heartbeats:
                self._lose("silent", now)

    def _lose(self, reason: LossReason, now: float, *, reopen: bool = True) -> None:
        if reopen:
            self._enter("lost", now)
            self._reopen_at = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, SLOWEST_REOPEN_S)
        if reason in ("oversize", "silent"):  # a handshake had succeeded, and says little
            often = now - self._lost_last < FORGET_S
            self._calm_s = min(2 * self._calm_s, LONGEST_CALM_S) if often else CALM_S
            self._lost_last = now
        if self._loss is not None:
            self._loss.times += 1
            return
        asks = reason in ("stranger", "key")
        self._loss = _Loss(reason, time.time(), probe=Probe(self.address) if asks else None)

    def _reopen(self, now: float) -> None:
        """Connects again, once what has arrived before is read: `disconnect` would drop it."""
        if self._reopen_at is None or now < self._reopen_at:
            return
        if self.socket.poll(0, zmq.POLLIN):
            return
        self._reopen_at, self._was_cut = None, True
        self._drop_successor()
        self._disconnect(self._endpoint)
        self._hear(now)
        self._enter("opening", now)
        try:
            self.socket.connect(self._endpoint)
        except zmq.ZMQError:  # as without a descriptor
            self._reopen_at = now + SLOWEST_REOPEN_S

    # --- what is told -----------------------------------------------------------------------------

    def _changes(self, now: float) -> list[ConnectionChange]:
        loss, stands = self._loss, self._phase == "ready"
        if stands and now - self._phase_since >= REOPEN_S + SLOWEST_REOPEN_S:
            self._pause_s = REOPEN_S
        if loss is None:
            return []
        if loss.told is None:
            if loss.probe is not None and not loss.probe.done:
                return []
            text = self._words(loss)
            loss.told = self._change("lost", loss, text)
            return [loss.told]
        if not stands or now - self._phase_since < self._calm_s:
            return []
        self._loss = None
        times = f", lost {loss.times} times" if loss.times > 1 else ""
        after = max(0.0, time.time() - loss.since)
        text = f"{self.setting}: {self.address} is connected again after {after:.0f} s{times}"
        return [self._change("back", loss, text)]

    def _change(self, state: str, loss: _Loss, text: str) -> ConnectionChange:
        return ConnectionChange(
            setting=self.setting,
            address=self.address,
            state="lost" if state == "lost" else "back",
            reason=loss.reason,
            text=text,
            since=round(loss.since, 3),
            times=loss.times,
        )

    def _words(self, loss: _Loss) -> str:
        what = f"{self.setting}: {self.address}"
        match loss.reason:
            case "oversize":
                more = f", or raise {self._limit_setting}" if self._limit_setting else ""
                return (
                    f"{what} sent a message of more than {self._limit}: the message is dropped, "
                    f"and the connection is opened again; send smaller ones{more}"
                )
            case "silent":
                return (
                    f"{what} has sent nothing for {SILENT_S:g} s, and does not answer: "
                    "reconnecting; check the machine there, the network, or the tunnel to it"
                )
        greeting = loss.probe.greeting if loss.probe is not None else None
        return f"{what} {self._stranger(greeting)}"

    def _stranger(self, greeting: Greeting | None) -> str:
        """What is wrong with who answers at the address."""
        wanted = KINDS[self.socket.getsockopt(zmq.TYPE)]
        again = "; the address is retried until the right socket answers"
        if greeting is None:
            return (
                f"accepts connections and closes them, or sends nothing; expected {wanted}: check "
                f"which program uses the port{again}"
            )
        if greeting.version == (0, 0):
            return (
                f"is not a ZeroMQ socket (it sends {greeting.first_bytes!r}); expected "
                f"{wanted}: check which program uses the port{again}"
            )
        if greeting.mechanism != ("CURVE" if self._has_keys else "NULL"):
            todo = (
                "remove its key from security.server_keys, or start it with keys"
                if self._has_keys
                else "enter its key in security.server_keys"
            )
            ours = "CURVE" if self._has_keys else "NULL (no keys)"
            return (
                f"uses the security mechanism {greeting.mechanism or '?'}, but this end uses "
                f"{ours}: {todo}{again}"
            )
        if self._has_keys:
            return (
                "refuses the CURVE handshake: its key is not the one set for it here, or "
                f"this end's key is not listed there; compare the keys{again}"
            )
        kind = greeting.socket_type or "?"
        if kind in wanted.split(" or "):
            return (
                "accepted connections and closed them, or sent nothing; a socket of the right "
                f"kind ({kind}) answers there now"
            )
        return f"is a {kind} socket, expected {wanted}: check which program uses the port{again}"


def _respelled(address: str) -> str:
    """The same TCP address, written in another way: libzmq has one connection for each."""
    host, _, port = address.rpartition(":")
    return f"{host}:{port.lstrip('0') if port.startswith('0') else '0' + port}"


def _watchable(socket: zmq.Socket[bytes], *, heartbeats: bool) -> None:
    """Options by which a dead connection can be told from a quiet one."""
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, HANDSHAKE_MS)
    if heartbeats:
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 0)  # sent, but libzmq cuts nothing
    keep_alive(socket)


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Has the system notice within half a minute that the machine at the other end is gone."""
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_EVERY_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)


def monitored(socket: zmq.Socket[bytes], wanted: int) -> zmq.Socket[bytes]:
    """The end at which a socket's events of the kinds `wanted` are read. Nothing bounds them:
    libzmq's own thread would stop while too many wait, and there are few."""
    place = f"inproc://connection-{next(_numbers):d}"
    socket.monitor(place, wanted)
    events: zmq.Socket[bytes] = socket.context.socket(zmq.PAIR)
    events.linger = 0
    events.rcvhwm = 0
    events.connect(place)
    return events
