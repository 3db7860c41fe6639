"""What is wrong is reported once when it begins and once when it is over."""
