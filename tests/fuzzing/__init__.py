"""Feeds damaged and hostile files to the readers and watches what happens, see `__main__`."""
