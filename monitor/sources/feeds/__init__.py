"""The sending ends of the live feeds."""
