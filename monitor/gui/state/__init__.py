"""What the screen knows and what its operator has chosen; no widgets."""
