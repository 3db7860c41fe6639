"""A recording is watched again."""
