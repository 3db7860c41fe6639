"""Maps of a scan are brought into the frame of the reference scan."""
