"""What stands beside and above the views."""
