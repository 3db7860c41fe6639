"""Documents of the cycler become readings, and readings a history of charge."""
