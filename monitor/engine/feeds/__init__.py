"""Slices and readings as they come in: sockets, silence, clocks."""
