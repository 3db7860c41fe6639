"""What every number of a scan is called and what it means: the table that all others read."""
