"""Volumes that another program is writing into a folder, as far as they are complete."""
