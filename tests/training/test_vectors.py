"""Packing many tensors into one vector, and back."""
import numpy as np
import tensorflow as tf

from cifar_fast.training.vectors import packed, unpacked


def test_packing_keeps_shapes_and_values():
    tensors = [tf.reshape(tf.range(6.0), [2, 3]), tf.constant(7.0), tf.range(2.0)]
    vector = packed(tensors)
    assert vector.shape == [9]
    for before, after in zip(tensors, unpacked(vector, tensors), strict=True):
        np.testing.assert_array_equal(before, after)
