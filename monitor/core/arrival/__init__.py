"""Messages of the slice stream, in whatever order, become scans."""
