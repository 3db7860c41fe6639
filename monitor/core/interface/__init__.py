"""Slices become heights of the lithium surface, with errors."""
