"""The map of one scan, seen from above."""
