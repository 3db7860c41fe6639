"""Data of the screen and the operator's choice; no widgets."""
