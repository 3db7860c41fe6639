"""All cells at a glance."""
