"""The simulated tomography station as a bluesky-queueserver RE manager runs it."""
