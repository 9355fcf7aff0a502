"""Which devices and workers there are, and what a run uses of them."""
