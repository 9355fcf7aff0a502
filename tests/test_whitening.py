"""The whitening kernel: what it answers to the patches it was made from, and that it stays as it is."""
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cifar_fast import resnet, whitening
from cifar_fast.batch import Statistics
from cifar_fast.errors import UserError

IMAGES = tiny.data(train=100).train_images
STATISTICS = Statistics.of(IMAGES, "channel")


def responses(kernel):
    """What a convolution without padding answers, one row a patch: float64 [patches, filters]."""
    images = tf.cast(STATISTICS(IMAGES), tf.float64)
    found = tf.nn.conv2d(images, tf.cast(kernel, tf.float64), 1, "VALID")
    return found.numpy().reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("side, filters", [(7, 32), (2, 24), (3, 6), (1, 6)])
def test_responses_have_unit_variance_and_no_correlation(side, filters):
    kernel = whitening.kernel(IMAGES, STATISTICS, (side, side, 3, filters), 0.0)
    assert kernel.shape == (side, side, 3, filters) and kernel.dtype == np.float32
    found, half = responses(kernel), filters // 2
    np.testing.assert_allclose(np.cov(found[:, :half].T, bias=True), np.eye(half), atol=2e-3)
    np.testing.assert_allclose(found[:, half:], -found[:, :half], atol=1e-5)


def test_epsilon_holds_weak_directions_down_and_leading_ones_come_first():
    full = responses(whitening.kernel(IMAGES, STATISTICS, (3, 3, 3, 54), 0.0))[:, :27]
    damped = responses(whitening.kernel(IMAGES, STATISTICS, (3, 3, 3, 54), 0.1))[:, :27]
    shares = damped.var(0) / full.var(0)  # λ / (λ + ε)
    assert (np.diff(shares) <= 0).all() and shares[0] > 0.9 > 0.5 > shares[-1]
    values = shares * 0.1 / (1 - shares)
    np.testing.assert_allclose(np.linalg.eigvalsh(whitening.covariance(IMAGES, STATISTICS, 3))[::-1], values, rtol=0.02)


def test_covariance_equals_numpys_over_all_patches(monkeypatch):
    monkeypatch.setattr(whitening, "CHUNK", 30)  # the last one is smaller
    images = np.asarray(STATISTICS(IMAGES), np.float64)
    patches = [images[:, i:i + 3, j:j + 3].reshape(len(images), -1) for i in range(30) for j in range(30)]
    expected = np.cov(np.concatenate(patches).T, bias=True)
    np.testing.assert_allclose(whitening.covariance(IMAGES, STATISTICS, 3), expected, atol=1e-5)


@pytest.mark.parametrize("filters", [5, 8])
def test_filters_that_do_not_fit_are_refused(filters):
    with pytest.raises(ValueError, match=f"{filters} filters can't whiten patches of 1×1×3"):
        whitening.kernel(IMAGES, STATISTICS, (1, 1, 3, filters), 0.0)
    model = resnet.build(10, (32, 32, 3), units=3, filters=5)
    with pytest.raises(UserError, match="--whitening --filters=5: 5 filters"):
        whitening.whiten(model.stem, IMAGES, STATISTICS)


def test_the_networks_first_kernel_is_counted_but_not_trained():
    model = resnet.build(10, (32, 32, 3), units=3, filters=4)
    parameters, kernels = model.count_params(), len(model.kernels())
    whitening.whiten(model.stem, IMAGES, STATISTICS)
    assert model.count_params() == parameters and len(model.kernels()) == kernels - 1
    assert all(v is not model.stem.kernel for v in model.trainable_variables)
    assert any(v is model.stem.bias for v in model.trainable_variables)
    before, optimizer = model.stem.kernel.numpy(), keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.ones([2, 32, 32, 3]), seed=tf.zeros([2], tf.int32), training=True) ** 2)
    optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)
    np.testing.assert_array_equal(model.stem.kernel.numpy(), before)
