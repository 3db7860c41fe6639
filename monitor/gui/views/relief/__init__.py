"""The surface in relief: in three dimensions, or shaded."""
