"""The table of pits, and how one of them grew."""
