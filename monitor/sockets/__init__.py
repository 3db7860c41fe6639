"""ZeroMQ connections: watched, reopened, encrypted."""
