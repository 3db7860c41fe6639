"""What the reconstruction hands out of it."""
