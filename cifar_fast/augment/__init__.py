"""Augmentation of whole batches: parameters to coordinates to one resample; crops and mixing."""
from cifar_fast.augment.affine import Affine, augment

__all__ = ["Affine", "augment"]
