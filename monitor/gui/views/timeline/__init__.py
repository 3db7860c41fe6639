"""All scans of a cell over time."""
