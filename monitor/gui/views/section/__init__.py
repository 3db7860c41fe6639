"""The vertical cross-section through the crosshair."""
