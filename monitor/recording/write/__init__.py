"""Writes a recording while it grows."""
