"""The views, each a dock of the window."""
