"""A run and its directory: the loop over epochs, checkpoints, reports."""
