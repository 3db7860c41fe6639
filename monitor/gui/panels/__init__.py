"""Panels beside and above the views."""
