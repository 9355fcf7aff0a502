"""The blur before a stride, by which shifting the image by a pixel changes less (Zhang, 2019, arXiv:1904.11486).

A convolution of stride 2 takes every second pixel of a map that may change from each to the next: what lies between is
aliased. The binomial filter [1 2 1] / 4 along both sides takes the fast changes away first. It has no parameters.

Zhang puts it after the convolution, which then has to be computed at every pixel; before it, as in MosaicML's Composer,
the convolution costs what it did.
"""
import numpy as np
import tensorflow as tf

KERNEL = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16


def blurred(inputs):
    """Maps [B, H, W, C] of any float dtype, zero outside as for the convolutions → the same shape and dtype."""
    kernel = tf.constant(np.tile(KERNEL, (1, 1, inputs.shape[-1], 1)), inputs.dtype)  # its numbers are exact in all
    return tf.nn.depthwise_conv2d(inputs, kernel, [1, 1, 1, 1], "SAME")
