"""Requests of screens, and the replies."""
