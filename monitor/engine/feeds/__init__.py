"""Incoming slices and readings: sockets, silence, clocks."""
