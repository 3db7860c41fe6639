"""What screens ask, and what they are answered."""
