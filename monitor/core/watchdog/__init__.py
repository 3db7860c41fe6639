"""What is wrong is told once when it begins and once when it is over."""
