"""An engine that is killed at any moment, again and again: what is left must be what would have
been."""
