"""What is beside and above the views."""
