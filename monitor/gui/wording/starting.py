"""What an engine that has been started, and takes no message yet, is doing."""

from __future__ import annotations

from monitor.wire.results.state import State


def starting(state: State) -> str:
    """A line, and a second one as long as kernels are compiled."""
    kernels = state.get("kernels")
    if kernels is None or kernels["compiled"] >= kernels["of"]:
        return "The engine is starting"
    number = kernels["compiled"] + 1
    return f"Compiling kernels {number} of {kernels['of']}…\nonce per machine"
