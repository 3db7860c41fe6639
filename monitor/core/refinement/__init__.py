"""Surfaces to a fraction of a voxel: what neighbouring columns know together."""
