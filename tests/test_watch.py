"""Asking an engine for its state from another process."""

from __future__ import annotations

import pytest
import zmq

from monitor.errors import EngineUnreachable
from monitor.processes import free_addresses
from monitor.watch import Watcher
from monitor.wire.results.queries import StateRequest


@pytest.mark.parametrize("kind", [None, zmq.PULL, zmq.PUB, zmq.REP])
def test_who_is_no_engine_is_told_in_one_line_and_not_waited_for(kind: int | None) -> None:
    """Nothing at the address, or another kind of socket: libzmq then gives the connection up."""
    (address,) = free_addresses(1)
    with zmq.Context() as context:
        if kind is not None:
            stranger = context.socket(kind)
            stranger.bind(address)
        watcher = Watcher(address)
        try:
            for _ in range(3):
                with pytest.raises(EngineUnreachable, match="no engine answers at"):
                    watcher.ask(StateRequest(-1, ""), timeout_s=0.3)
        finally:
            watcher.close()
            context.destroy(linger=0)
