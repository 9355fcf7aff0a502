"""Keras's ImageDataGenerator for old scripts, many times faster: change the import and nothing else."""
from cifar_fast.generator.generator import ImageDataGenerator

__all__ = ["ImageDataGenerator"]
