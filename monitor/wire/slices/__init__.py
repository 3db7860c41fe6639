"""The slice stream: its codecs, pixels and limits."""
