"""Heights and charge become maps of the local current density."""
