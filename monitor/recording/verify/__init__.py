"""Checks a recording, and repairs what can be repaired without inventing anything."""
