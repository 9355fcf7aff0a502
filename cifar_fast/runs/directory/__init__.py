"""A run directory: its files, its lock, its checkpoints and what they say of the network."""
