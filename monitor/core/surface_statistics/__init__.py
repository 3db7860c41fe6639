"""Numbers that describe a map: plateau, texture, regions, profiles."""
