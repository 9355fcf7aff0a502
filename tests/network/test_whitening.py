"""Whitening: the kernel against its formula on explicit patches, what it leaves of correlation, and that it stays."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.network import resnet, whitening
from cifar_fast.training.batch import Statistics
from tests.support import tiny

IMAGES = tiny.data(train=100).train_images
STATISTICS = Statistics.of(IMAGES, "channel")


def patches(side):
    """All patches, one a row: float64 [100 · places, side · side · 3]."""
    images = np.asarray(STATISTICS(IMAGES), np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), (1, 2))  # [100, places, places, 3, s, s]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, side * side * 3)


def test_covariance_equals_numpys_over_all_patches(monkeypatch):
    monkeypatch.setattr(whitening, "CHUNK", 30)  # the last one is smaller
    expected = np.cov(patches(3).T, bias=True)
    np.testing.assert_allclose(whitening.covariance(IMAGES, STATISTICS, 3), expected, atol=1e-5)


@pytest.mark.parametrize("side, epsilon", [(1, 0.0), (3, 0.1)])
def test_the_kernel_is_the_centre_of_the_inverse_square_root(side, epsilon):
    """W = (Σ + ε)^-1/2, W (Σ + ε) W = 1, by an iteration that knows no eigenvalues."""
    covariance = np.cov(patches(side).T, bias=True)
    damped = covariance + epsilon * np.eye(len(covariance))
    scale = np.trace(damped)
    root, inverse = damped / scale, np.eye(len(damped))
    for _ in range(60):  # Denman and Beavers: root → damped^1/2, inverse → damped^-1/2, but for the scale
        root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    np.testing.assert_allclose(inverse @ damped @ inverse / scale, np.eye(len(damped)), atol=1e-6)
    found = whitening.kernel(covariance, side, epsilon)
    assert found.shape == (side, side, 3, 3) and found.dtype == np.float32
    pixel = side * side // 2 * 3
    centre = inverse[:, pixel:pixel + 3]
    whitened = patches(side) @ centre
    np.testing.assert_allclose(found.reshape(-1, 3), centre / np.sqrt(whitened.var(0).mean()), rtol=1e-4, atol=1e-6)
    if side == 1:  # the patch is a pixel, so nothing but the unit covariance is left
        np.testing.assert_allclose(np.cov(patches(1) @ found[0, 0], rowvar=False, bias=True), np.eye(3), atol=1e-4)


def test_whitened_patches_have_unit_covariance():
    """Images of one statistic everywhere: noise that a random filter has blurred and mixed over the channels."""
    random = np.random.default_rng(0)
    noise = tf.constant(random.normal(size=(400, 36, 36, 3)))
    blur = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16 * (np.eye(3) + 0.3 * random.random((3, 3)))
    blurred = 128 + 40 * tf.nn.conv2d(noise, blur, 1, "VALID").numpy()
    images = np.clip(np.round(blurred), 0, 255).astype(np.uint8)
    statistics = Statistics.of(images, "channel")
    layer = whitening.Whitening()
    before = whitening.covariance(images, statistics, 3)
    layer.build((None, 34, 34, 3))
    layer.kernel.assign(whitening.kernel(whitening.covariance(images, statistics, 7), 7, 1e-4))
    inner = layer(statistics(images))[:, 3:-3, 3:-3].numpy().astype(np.float64)
    after = whitening.covariance(inner, lambda part: part, 3)
    off = ~np.eye(27, dtype=bool)
    assert np.abs(before[off]).max() > 0.6  # correlations, as each number has variance 1
    assert np.abs(after[off]).max() < 0.1
    np.testing.assert_allclose(np.diag(after), 1, atol=0.05)


def test_images_smaller_than_a_patch_and_very_large_ones_are_refused():
    with pytest.raises(UserError, match="--whitening: images of 96×96 pixels are too large for it"):
        whitening.fitted(np.zeros([2, 96, 96, 3], np.uint8), STATISTICS)
    with pytest.raises(UserError, match="--whitening: images of 6×9 pixels hold no patch of 7×7"):
        whitening.fitted(np.zeros([2, 6, 9, 3], np.uint8), STATISTICS)


def test_the_kernel_stays_while_the_network_trains():
    plain = resnet.build(10, (32, 32, 3), units=3, filters=4)
    model = resnet.build(10, (32, 32, 3), units=3, filters=4, whitening=True)
    assert len(model.trainable_variables) == len(plain.trainable_variables)
    assert model.count_params() == plain.count_params() + 7 * 7 * 3 * 3
    model.whitening.kernel.assign(whitening.fitted(IMAGES, STATISTICS))
    images = STATISTICS(IMAGES[:2])
    for ours, theirs in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    np.testing.assert_allclose(model(images), plain(model.whitening(images)), atol=1e-5)
    before, optimizer = model.whitening.kernel.numpy(), keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images, seed=tf.zeros([2], tf.int32), training=True) ** 2)
    optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]), model.trainable_variables)
    assert np.abs(before).max() > 0
    np.testing.assert_array_equal(model.whitening.kernel.numpy(), before)


def test_images_of_one_colour_are_refused():
    with pytest.raises(UserError, match="--whitening: .* one colour"):
        whitening.fitted(np.full((20, 8, 8, 3), [7, 8, 9], np.uint8), STATISTICS)


def test_it_is_fitted_to_the_first_images(monkeypatch):
    assert (whitening.SIDE, whitening.EPSILON, whitening.IMAGES) == (7, 0.1, 5000)  # as docs/recipes.md has them
    monkeypatch.setattr(whitening, "IMAGES", 40)
    np.testing.assert_array_equal(whitening.fitted(IMAGES, STATISTICS), whitening.fitted(IMAGES[:40], STATISTICS))


def test_images_are_reflected_outside():
    images = np.random.default_rng(0).normal(size=(2, 9, 9, 3)).astype(np.float32)
    layer = whitening.Whitening()
    layer.build(images.shape)
    layer.kernel.assign(np.random.default_rng(1).normal(size=(7, 7, 3, 3)))
    wide = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)), "reflect")
    np.testing.assert_allclose(layer(images), layer(wide)[:, 3:-3, 3:-3], atol=1e-4)
