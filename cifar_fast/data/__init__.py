"""Every source of labelled images, read to uint8 arrays."""
