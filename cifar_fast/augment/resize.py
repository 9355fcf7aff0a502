"""Resizing a batch of images as two products with small matrices, so that XLA compiles it with the augmentation.

`tf.image.resize` has no XLA kernel with antialiasing. Resizing is linear and separable: along an axis, each output
pixel is a mean of input pixels under a triangle about its place, as wide as the larger of the two pixels. The
matrices of these means are computed once, for static sizes.
"""
import numpy as np
import tensorflow as tf


def resized(images, size):
    """Images float32 [B, H, W, C] → float32 [B, size, size, C], equal to `tf.image.resize(images, (size, size),
    method="bilinear", antialias=True)` but for rounding. H and W must be static."""
    height, width = images.shape[1:3]
    if (height, width) == (size, size):
        return images
    rows, columns = (tf.constant(weights(length, size), tf.float32) for length in (height, width))
    return tf.einsum("ih,jw,bhwc->bijc", rows, columns, images)  # half the time of images first


def weights(before, after):
    """The matrix float64 [after, before] that resizes an axis; its rows sum to 1."""
    scale = before / after
    places = (np.arange(after) + 0.5) * scale  # the output pixels' centres, in input pixels
    distances = np.abs(np.arange(before) + 0.5 - places[:, None]) / max(scale, 1)
    triangle = np.maximum(1 - distances, 0)
    return triangle / triangle.sum(1, keepdims=True)
