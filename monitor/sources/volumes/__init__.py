"""Volume files become slices."""
