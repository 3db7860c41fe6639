"""What screens may ask for, and the answers."""
