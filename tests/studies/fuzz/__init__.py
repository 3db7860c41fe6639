"""Broken messages on every decoder, and into a running engine: `python -m tests.studies.fuzz`."""
