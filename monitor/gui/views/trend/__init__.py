"""Trends over the hours."""
