"""Our layers and our activation against Keras's own and against the definition."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.network import layers
from cifar_fast.network.layers import BatchNormalization, Dropout, StochasticDepth, elu, silu
from cifar_fast.training import replicas
from tests.support import tiny  # noqa: F401  splits the CPU


@pytest.mark.parametrize("shape", [(8, 6, 6, 5), (3, 1, 1, 4)])
def test_normalization_equals_keras_in_values_gradients_and_moving_statistics(shape):
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(2, 3, shape), tf.float32)
    weights = tf.constant(rng.normal(size=shape), tf.float32)
    results = []
    for kind in (keras.layers.BatchNormalization, BatchNormalization):
        layer = kind()
        layer.build(shape)
        layer.gamma.assign(rng.uniform(0.5, 2, shape[-1]) * 0 + np.linspace(0.5, 2, shape[-1]))
        layer.beta.assign(np.linspace(-1, 1, shape[-1]))
        for _ in range(3):
            with tf.GradientTape() as tape:
                tape.watch(images)
                outputs = layer(images, training=True)
                loss = tf.reduce_sum(outputs * weights)
            gradients = tape.gradient(loss, [images, layer.gamma.value, layer.beta.value])
        inference = layer(images, training=False)
        results.append([outputs, *gradients, layer.moving_mean.value, layer.moving_variance.value, inference])
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_synchronized_normalization_of_shares_is_that_of_the_whole(precision):
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(2, 3, (8, 6, 6, 5)), tf.float32)
    weights = tf.constant(rng.normal(size=images.shape), tf.float32)

    def passed(layer, images, weights):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = tf.cast(layer(images, training=True), tf.float32)
            loss = tf.reduce_sum(outputs * weights)
        return outputs, *tape.gradient(loss, [images, layer.gamma.value, layer.beta.value])

    def layer(device="/CPU:0", **options):
        with tf.device(device):
            made = BatchNormalization(dtype=precision, **options)
            made.build(images.shape)
            made.gamma.assign(np.linspace(0.5, 2, 5))
        return made

    team = replicas.mirrored(["/CPU:0", "/CPU:1"])
    single, shares = layer(), [layer(device, synchronized=True) for device in team.devices]
    outputs, by_images, by_gamma, by_beta = passed(single, images, weights)
    halves = tf.function(lambda: team.run(
        lambda i: passed(shares[i], images[4 * i:4 * i + 4], weights[4 * i:4 * i + 4])))()
    close = dict(rtol=2e-5, atol=2e-5) if precision == "float32" else dict(rtol=0.03, atol=0.1)
    np.testing.assert_allclose(tf.concat([h[0] for h in halves], 0), outputs, **close)
    np.testing.assert_allclose(tf.concat([h[1] for h in halves], 0), by_images, **close)
    np.testing.assert_allclose(halves[0][2] + halves[1][2], by_gamma, **close)
    np.testing.assert_allclose(halves[0][3] + halves[1][3], by_beta, **close)
    for share in shares:
        np.testing.assert_allclose(share.moving_variance.value, single.moving_variance.value, rtol=1e-5)
        np.testing.assert_allclose(share.moving_mean.value, single.moving_mean.value, rtol=1e-5)


def test_normalization_in_bfloat16_keeps_its_statistics_in_float32():
    layer = BatchNormalization(dtype="mixed_bfloat16")
    images = tf.random.stateless_normal([64, 4, 4, 3], [0, 1]) * 3 + 100
    outputs = layer(images, training=True)
    assert outputs.dtype == tf.bfloat16
    assert all(v.dtype == "float32" for v in layer.variables)
    exact = tf.reduce_mean(tf.cast(tf.cast(images, tf.bfloat16), tf.float32), [0, 1, 2])
    np.testing.assert_allclose(layer.moving_mean.value, exact * (1 - layer.momentum), rtol=1e-5)


@pytest.mark.parametrize("ours, kerass", [(silu, keras.ops.silu), (elu, keras.ops.elu)])
@pytest.mark.parametrize("dtype, allowed", [(tf.float32, 1e-6), (tf.bfloat16, 0.03), (tf.float16, 3e-3)])
def test_activations_and_their_gradients_equal_kerass(ours, kerass, dtype, allowed):
    inputs = tf.cast(tf.reshape(tf.linspace(-30.0, 30.0, 2**10), [16, 8, 8, 1]), dtype)
    results = []
    for function in (ours, tf.function(ours), kerass):
        of = tf.cast(inputs, tf.float32) if function is kerass else inputs  # exactly, of the same numbers
        with tf.GradientTape() as tape:
            tape.watch(of)
            outputs = function(of)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * 3)
        results.append((outputs, tape.gradient(loss, of)))
        assert {t.dtype for t in results[-1]} == {of.dtype}
    for found in results[:2]:
        for one, other in zip(found, results[2], strict=True):
            np.testing.assert_allclose(tf.cast(one, tf.float32), other, rtol=allowed, atol=allowed)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16, tf.float32])
def test_rounding_is_to_the_nearest_and_ties_to_even(dtype):
    patterns = np.random.default_rng(0).integers(2**32, size=10_000, dtype=np.uint32)
    patterns[:2000] = patterns[:2000] & 0xFFFF0000 | 0x8000  # halfway between two of bfloat16
    patterns[2000:2010] = 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFF800001, 0x7FC00000, *patterns[2005:2010]  # NaNs
    numbers = np.concatenate([patterns.view(np.float32), np.float32([0, -0.0, np.inf, -np.inf, 3.4e38, 1e-40, 1])])
    found = tf.function(layers._rounded, jit_compile=True)(numbers, dtype)
    np.testing.assert_array_equal(tf.cast(found, tf.float32), tf.cast(tf.cast(numbers, dtype), tf.float32))


def test_dropout_drops_its_share_and_keeps_the_mean():
    inputs = tf.ones([64, 32, 32, 8])
    outputs = Dropout(0.1)(inputs, seed=tf.constant([3, 4]), training=True).numpy()
    assert abs((outputs == 0).mean() - 0.1) < 0.002
    assert abs(outputs.mean() - 1) < 0.003
    assert set(np.unique(outputs)) == {0, np.float32(2**16 / (2**16 - 6554))}


def test_dropout_is_a_function_of_the_seed_alone():
    inputs, layer = tf.ones([4, 8, 8, 3]), Dropout(0.5)
    draw = lambda *seed: layer(inputs, seed=tf.constant(seed), training=True).numpy()  # noqa: E731
    np.testing.assert_array_equal(draw(1, 2), draw(1, 2))
    compiled = tf.function(lambda seed: layer(inputs, seed=seed, training=True), jit_compile=True)
    np.testing.assert_array_equal(draw(1, 2), compiled(tf.constant([1, 2])))
    np.testing.assert_array_equal(layer(inputs), inputs)


@pytest.mark.parametrize("other", [(1, 3), (2, 2), (1 + (1 << 20), 2)])
def test_dropout_masks_of_neighbouring_seeds_are_independent(other):
    inputs, layer = tf.ones([32, 16, 16, 16]), Dropout(0.1)
    one, two = (layer(inputs, seed=tf.constant(s), training=True).numpy() == 0 for s in ((1, 2), other))
    assert abs((one & two).mean() - 0.01) < 0.001
    assert abs((one[:16] & one[16:]).mean() - 0.01) < 0.001
    assert abs((one[..., 1:] & one[..., :-1]).mean() - 0.01) < 0.001


def test_stochastic_depth_drops_whole_examples_and_keeps_the_mean():
    inputs, layer = tf.ones([4001, 2, 3, 2]), StochasticDepth(0.25)
    outputs = layer(inputs, seed=tf.constant([3, 4]), training=True).numpy().reshape(4001, -1)
    assert (outputs == outputs[:, :1]).all()
    assert set(outputs[:, 0]) == {0, np.float32(1 / 0.75)}
    assert abs((outputs[:, 0] == 0).mean() - 0.25) < 0.02  # three standard errors
    np.testing.assert_array_equal(layer(inputs, seed=tf.constant([3, 4]), training=True).numpy().reshape(4001, -1),
                                  outputs)
    other = layer(inputs, seed=tf.constant([3, 5]), training=True).numpy().reshape(4001, -1)
    assert abs(((outputs == 0) & (other == 0)).mean() - 0.0625) < 0.012
    np.testing.assert_array_equal(layer(inputs, seed=tf.constant([3, 4])), inputs)
