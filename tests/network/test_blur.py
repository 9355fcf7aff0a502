"""The blur before a stride: against SciPy's filter, its gradient against the transpose, and what it is for."""
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from cifar_fast.network import resnet
from cifar_fast.network.blur import blurred


@pytest.mark.parametrize("dtype, accuracy", [("float32", 1e-6), ("bfloat16", 2**-7), ("float16", 2**-10)])
@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 1, 5, 4)])
def test_equals_scipys_filter(shape, dtype, accuracy):
    images = tf.cast(tf.random.stateless_normal(shape, [0, 0]), dtype)
    filter = np.outer([1, 2, 1], [1, 2, 1])[None, :, :, None] / 16
    expected = scipy.ndimage.correlate(tf.cast(images, tf.float64).numpy(), filter, mode="constant")
    found = blurred(images)
    assert found.dtype == dtype
    np.testing.assert_allclose(tf.cast(found, tf.float64), expected, atol=accuracy)


def test_the_gradient_is_the_transpose():
    """⟨blurred(x), y⟩ = ⟨x, gradient of y⟩ for any x and y, as the filter is linear."""
    x, y = tf.unstack(tf.random.stateless_normal([2, 1, 5, 6, 2], [0, 1]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        product = tf.reduce_sum(blurred(x) * y)
    np.testing.assert_allclose(tf.reduce_sum(x * tape.gradient(product, x)), product, rtol=1e-5)


def test_a_stride_keeps_nothing_of_the_fastest_changes():
    columns = tf.cast(tf.range(8) % 2 * 2 - 1, tf.float32)  # -1, 1, -1, …: every second one is a constant
    stripes = tf.broadcast_to(columns[None, None, :, None], [1, 8, 8, 1])
    np.testing.assert_allclose(blurred(stripes)[:, :, 1:-1], np.zeros([1, 8, 6, 1]), atol=1e-7)


def test_the_network_blurs_what_the_two_strides_take(monkeypatch):
    images = tf.random.stateless_normal([2, 16, 16, 3], [0, 3])
    plain, model = (resnet.build(10, (16, 16, 3), units=6, filters=4, blur=on) for on in (False, True))
    assert model.count_params() == plain.count_params()
    assert np.abs(model(images) - plain(images)).max() > 1e-3
    seen = []
    monkeypatch.setattr(resnet, "blurred", lambda x: seen.append(tuple(x.shape)) or x)
    model = resnet.build(10, (16, 16, 3), units=6, filters=4, blur=True)
    seen.clear()
    np.testing.assert_array_equal(model(images), plain(images))
    assert seen == [(2, 16, 16, 8), (2, 8, 8, 16)]
