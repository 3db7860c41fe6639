"""Reads a recording, also one that is growing or that a crash cut short."""
