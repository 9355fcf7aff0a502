"""What the system gives: files, paths, standard streams, the processor, and what differs from Linux."""
