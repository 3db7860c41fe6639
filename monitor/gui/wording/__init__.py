"""What the screen says, as text; no widgets."""
