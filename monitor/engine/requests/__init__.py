"""Scan requests to the acquisition, and its replies."""
