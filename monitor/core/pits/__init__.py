"""Pits are found, followed from scan to scan, and their growth is forecast."""
