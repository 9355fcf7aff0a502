"""The blur before a stride, by which shifting the image by a pixel changes less (Zhang, 2019, arXiv:1904.11486).

A convolution of stride 2 takes every second pixel of a map that may change from each to the next: what lies between is
aliased. The binomial filter [1 2 1] / 4 along both sides takes the fast changes away first. It has no parameters.

Zhang puts it after the convolution, which then has to be computed at every pixel; before it, as in MosaicML's Composer,
the convolution costs what it did.
"""
import tensorflow as tf


@tf.function(jit_compile=True, autograph=False)
def blurred(inputs):
    """Maps [B, H, W, C] of any float dtype, H, W ≥ 2, reflected outside → the same shape and dtype.

    Sums are float32, and all is one pass over memory.
    """
    x = tf.pad(tf.cast(inputs, tf.float32), [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    x = (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4
    return tf.cast(x, inputs.dtype)
