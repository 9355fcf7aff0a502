"""Statistics against NumPy, and that a prepared example depends on its index and the epoch alone."""
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cifar_fast.batch import Preparation, Statistics


@pytest.mark.parametrize("kind, axes", [("scalar", None), ("channel", (0, 1, 2))])
def test_statistics_are_exact(kind, axes):
    images = tiny.data().train_images
    statistics = Statistics.of(images, kind)
    np.testing.assert_allclose(statistics.mean, np.reshape(images.mean(axes), -1), rtol=1e-6)
    np.testing.assert_allclose(statistics.deviation, np.reshape(images.std(axes), -1), rtol=1e-6)
    standardized = statistics(images).numpy()
    np.testing.assert_allclose(standardized.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(standardized.std(axes), 1, atol=1e-4)


def test_constant_images_do_not_divide_by_zero():
    assert np.isfinite(Statistics.of(np.zeros((2, 4, 4, 3), np.uint8), "channel")(np.zeros((1, 4, 4, 3)))).all()


def test_an_example_looks_the_same_in_any_batch():
    images = tiny.data().train_images
    prepare = Preparation(tiny.config(), Statistics.of(images, "channel"))
    order = np.array([5, 9, 2, 7], np.int32)
    one = prepare(images[order], order, tf.constant(3)).numpy()
    other = prepare(images[order[::-1]], order[::-1].copy(), tf.constant(3)).numpy()
    np.testing.assert_array_equal(one, other[::-1])
    small = prepare(images[order[:2]], order[:2], tf.constant(3)).numpy()
    np.testing.assert_array_equal(one[:2], small)
    assert not np.array_equal(one, prepare(images[order], order, tf.constant(4)).numpy())
