"""The lithium foil and what the cycler does to it: what a monitor should find."""
