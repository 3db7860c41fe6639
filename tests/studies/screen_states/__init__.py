"""Each state of engine and feeds on two screens that were connected at different times."""
