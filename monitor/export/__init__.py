"""Writes what is recorded in the formats of other programs."""
