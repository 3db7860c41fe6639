"""What changed over the hours."""
