"""ophyd devices of the beamline."""
