"""Texts of the screen; no widgets."""
