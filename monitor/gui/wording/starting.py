"""What a starting engine, which does not process messages yet, is doing."""

from __future__ import annotations

from monitor.wire.results.state import State


def starting(state: State) -> str:
    """One line, and a second one while kernels are compiled."""
    kernels = state.get("kernels")
    if kernels is None or kernels["compiled"] >= kernels["of"]:
        return "The engine is starting"
    number = kernels["compiled"] + 1
    return f"Compiling kernels {number} of {kernels['of']}…\nonce per machine"
