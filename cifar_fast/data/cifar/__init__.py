"""CIFAR as its authors publish it: archives and folders, batches in their Python and binary form."""
