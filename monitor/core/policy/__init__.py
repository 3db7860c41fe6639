"""When an extra scan is asked for, and what becomes of the request."""
