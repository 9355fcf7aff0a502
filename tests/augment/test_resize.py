"""Resizing against tf.image.resize."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment.resize import resized, weights


@pytest.mark.parametrize("shape, size", [
    ((4, 32, 32, 3), 20), ((4, 32, 32, 3), 26), ((4, 32, 32, 3), 31), ((2, 32, 32, 3), 48), ((2, 15, 15, 1), 22),
    ((3, 20, 32, 3), 25), ((3, 24, 17, 4), 24), ((3, 17, 24, 2), 24), ((2, 32, 32, 3), 8), ((2, 9, 31, 3), 1)])
def test_equals_tensorflows(shape, size):
    images = tf.random.stateless_uniform(shape, [0, 1])
    expected = tf.image.resize(images, (size, size), method="bilinear", antialias=True)
    for function in (resized, tf.function(resized, jit_compile=True)):
        found = function(images, size)
        assert found.dtype == tf.float32 and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_same_size_changes_nothing():
    images = tf.random.stateless_uniform([2, 12, 12, 3], [0, 1])
    assert resized(images, 12) is images


@pytest.mark.parametrize("before, after", [(32, 20), (20, 32), (7, 5), (5, 5)])
def test_means_of_an_even_and_of_a_mirrored_axis(before, after):
    matrix = weights(before, after)
    np.testing.assert_allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)


def test_an_unknown_batch_is_resized():
    function = tf.function(lambda x: resized(x, 5), input_signature=[tf.TensorSpec([None, 8, 8, 3])])
    assert function(tf.ones([3, 8, 8, 3])).shape == (3, 5, 5, 3)
