"""Measurements and long trials; run by hand."""
