"""Results of a running engine for the control system."""

from monitor.sources.formats import Software

EPICS = Software("caproto", "EPICS process variables (`ioc`)", "epics")
TILED = Software("tiled.client", "results in Tiled (`publish-results --tiled`)", "tiled")
