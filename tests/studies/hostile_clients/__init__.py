"""Clients that idle, flood, read nothing, or send messages that do not end, while scans come."""
