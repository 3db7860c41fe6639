"""Files of cyclers become readings."""
