"""Scans of BLISS, the control system of the ESRF, read from the Redis that it publishes them in."""

from monitor.sources.formats import Software

SOFTWARE = Software("redis", "scans of BLISS (`publish-bliss`)", "bliss")
