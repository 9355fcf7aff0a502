"""Several seeds of several variants: one process that compiles once, and a table that claims no more than they show."""
