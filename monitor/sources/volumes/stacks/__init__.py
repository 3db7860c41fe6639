"""A file for each slice: which files belong to a stack, and what each format holds."""
