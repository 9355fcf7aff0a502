"""The network against an independent Keras build of the report's layers."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.network import layers, resnet
from cifar_fast.network.layers import BatchNormalization, StochasticDepth


def report_network(classes):
    """The report's network written with Keras's functional API and layers alone."""
    def convolution(x, filters, size, strides=1):
        return keras.layers.Conv2D(filters, size, strides, "same")(x)

    def active(x):
        return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))

    inputs = keras.Input((32, 32, 3))
    filters = 32
    x = convolution(inputs, filters, 7)
    for unit in range(12):
        if unit in (4, 8):
            filters *= 2
            x = convolution(x, filters, 1)
            x = convolution(active(x), filters, 3, 2)
        else:
            x = keras.layers.Add()([x, convolution(active(x), filters, 3)])
        h = keras.layers.Dropout(0.1)(convolution(active(x), filters, 3))
        x = keras.layers.Add()([x, h])
    x = keras.layers.AveragePooling2D(8)(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize("classes, parameters", [(10, 1_574_218), (100, 1_585_828)])
def test_parameter_count(classes, parameters):
    assert resnet.build(classes, (32, 32, 3)).count_params() == parameters


def test_the_users_keras_json_does_not_change_the_network():
    images = tf.random.stateless_normal([2, 20, 16, 3], [0, 1])
    plain = resnet.build(10, (20, 16, 3), units=3, filters=4)
    keras.config.set_image_data_format("channels_first")
    try:
        other = resnet.build(10, (20, 16, 3), units=3, filters=4)
        np.testing.assert_array_equal(plain(images), other(images))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_logits_equal_the_reports_network():
    keras.utils.set_random_seed(0)
    ours, theirs = resnet.build(10, (32, 32, 3)), report_network(10)
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # statistics of a trained network, not 0 and 1
            layer.set_weights([w + rng.uniform(0.1, 0.5, w.shape) for w in layer.get_weights()])
    ours_by_role = [layer for layer in ours._flatten_layers(include_self=False) if layer.weights]
    theirs_by_role = [layer for layer in theirs.layers if layer.weights]
    for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.Dense):
        pairs = zip([k for k in ours_by_role if isinstance(k, kind)],
                    [k for k in theirs_by_role if isinstance(k, kind)], strict=True)
        for one, two in pairs:
            one.set_weights(two.get_weights())
    for dense in (ours.dense, theirs.layers[-1]):  # logits of the size that trained ones have
        dense.kernel.assign(dense.kernel / 10)
    images = tf.constant(rng.normal(size=(4, 32, 32, 3)), tf.float32)
    np.testing.assert_allclose(ours(images), theirs(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size, activation", [(20, "elu"), (26, "silu"), (32, "elu")])
def test_other_image_sizes_and_activations(size, activation):
    model = resnet.build(10, (size, size, 1), units=3, filters=4, activation=activation)
    assert model(tf.zeros([2, size, size, 1])).shape == (2, 10)


@pytest.mark.parametrize("final_activation", [False, True])
def test_what_the_last_normalization_gives_is_activated_only_if_asked_for(final_activation, monkeypatch):
    normalized, real = [], BatchNormalization.call

    def recorded(layer, inputs, training=False):
        normalized.append(real(layer, inputs, training))
        return normalized[-1]

    monkeypatch.setattr(BatchNormalization, "call", recorded)
    model = resnet.build(10, (8, 8, 3), units=3, filters=4, final_activation=final_activation)
    logits = model(tf.random.stateless_normal([2, 8, 8, 3], [0, 0]))
    maps = normalized[-1].numpy()
    assert maps.shape == (2, 2, 2, 16) and maps.min() < -0.1
    expected = np.maximum(maps, 0) if final_activation else maps
    np.testing.assert_allclose(logits, model.dense(expected.mean((1, 2))), atol=1e-5)


def test_every_kernel_has_its_own_he_normal_draw():
    model = resnet.build(10, (32, 32, 3), units=6, filters=16, seed=1)
    kernels = [k.numpy() for k in model.kernels()]
    assert len({k.tobytes() for k in kernels}) == len(kernels) == 1 + 12 + 2 + 1
    for kernel in kernels:
        fan_in = np.prod(kernel.shape[:-1])
        assert abs(kernel.std() - np.sqrt(2 / fan_in)) < 0.15 * np.sqrt(2 / fan_in)
    again = resnet.build(10, (32, 32, 3), units=6, filters=16, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


@pytest.mark.parametrize("options, trained", [
    ({}, 0), ({"blur": True, "final_activation": True, "activation": "silu"}, 0), ({"dropout": 0.3}, 6),
    ({"stochastic_depth": 0.3}, 5 + 3)])
def test_the_biases_that_are_not_trained_have_no_gradient(options, trained, monkeypatch):
    """Of six units: the second half of each has dropout before it is added; all but the first unit have a depth, whose
    widening first halves are not skipped."""
    options = dict(dropout=0.0, units=6, filters=4) | options
    named = [layer.trains_bias for layer in convolutions(resnet.build(10, (16, 16, 3), **options))]
    assert len(named) == 1 + 12 + 2 and sum(named) == trained
    monkeypatch.setattr(resnet, "Convolution", lambda *given, trains_bias, **more: layers.Convolution(*given, **more))
    model = resnet.build(10, (16, 16, 3), **options)
    found = convolutions(model)
    with tf.GradientTape() as tape:
        logits = model(tf.random.stateless_normal([32, 16, 16, 3], [0, 1]), seed=tf.constant([0, 7]), training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(32) % 10, logits))
    of_biases, of_kernels = tape.gradient(loss, [[layer.bias.value for layer in found],
                                                 [layer.kernel.value for layer in found]])
    sizes = [float(tf.norm(b) / tf.norm(k)) for b, k in zip(of_biases, of_kernels, strict=True)]
    for size, is_trained in zip(sizes, named, strict=True):
        assert size > 1e-3 if is_trained else size < 1e-5


def test_biases_that_are_not_trained_are_zero_and_count_as_parameters():
    model = resnet.build(10, (8, 8, 3), units=3, filters=4, dropout=0.0)
    biases = [layer.bias for layer in convolutions(model)]
    assert not any(b.trainable or b.numpy().any() for b in biases)
    assert {id(b) for b in biases} <= {id(v) for v in model.variables}


def convolutions(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)]


@pytest.mark.parametrize("precision, dtype", [("bfloat16", tf.bfloat16), ("float16", tf.float16)])
def test_mixed_precision_convolves_in_it_and_answers_in_float32(precision, dtype):
    model = resnet.build(10, (8, 8, 3), units=3, filters=4, precision=precision)
    program = tf.function(lambda x: model(x, seed=tf.constant([0, 0]), training=True)).get_concrete_function(
        tf.TensorSpec([2, 8, 8, 3]))
    convolutions = [op for op in program.graph.get_operations() if op.type == "Conv2D"]
    assert len(convolutions) == 9
    assert {op.outputs[0].dtype for op in convolutions} == {dtype}
    assert program.output_dtypes == tf.float32
    assert all(v.dtype == "float32" for v in model.variables)


def test_stochastic_depth_rises_over_the_units_and_halves_of_a_unit_share_a_draw(monkeypatch):
    model, seen, real = resnet.build(10, (8, 8, 3), units=6, filters=4, dropout=0.0, stochastic_depth=0.5), [], None

    def recorded(layer, inputs, **options):
        outputs = real(layer, inputs, **options)
        skipped = (outputs.numpy() == 0).all((1, 2, 3))
        seen.append((layer.dropped / 2**16, skipped))
        return outputs

    real = StochasticDepth.call
    monkeypatch.setattr(StochasticDepth, "call", recorded)
    images = tf.random.stateless_normal([64, 8, 8, 3], [0, 1])
    model(images, seed=tf.constant([0, 7]), training=True)
    rates, skips = zip(*seen, strict=True)
    # Two draws a unit, but none in the first, and one in those that widen, the third and the fifth: their first half
    # has no skip.
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.5], atol=1e-5)
    for one, other in ((0, 1), (3, 4), (6, 7)):
        np.testing.assert_array_equal(skips[one], skips[other])
    assert 18 < skips[7].sum() < 46 and not np.array_equal(skips[5], skips[7])
    seen.clear()
    model(images)
    assert len(seen) == 8 and not any(skipped.any() for _, skipped in seen)


def test_without_stochastic_depth_the_network_trains_as_it_did():
    model = resnet.build(10, (8, 8, 3), units=3, filters=4)
    program = tf.function(lambda x, s: model(x, seed=s, training=True)).get_concrete_function(
        tf.TensorSpec([2, 8, 8, 3]), tf.TensorSpec([2], tf.int32))
    masks = [op for op in program.graph.get_operations() if "_kept" in str(op.node_def)]
    assert len(masks) == 3  # one dropout a unit


def test_all_normalizations_have_the_momentum_asked_for():
    model = resnet.build(10, (8, 8, 3), units=3, filters=4, norm_momentum=0.6)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNormalization)]
    assert len(layers) == 7 and {layer.momentum for layer in layers} == {0.6}
    assert resnet.build(10, (8, 8, 3), units=3, filters=4).norm.momentum == keras.layers.BatchNormalization().momentum


def test_every_dropout_and_depth_has_a_seed_of_its_own(monkeypatch):
    model, seeds = resnet.build(10, (8, 8, 3), units=6, filters=4, stochastic_depth=0.3), {}

    def call(layer, inputs, seed=None, training=False):
        seeds[id(layer)] = tuple(seed.numpy())
        return inputs

    monkeypatch.setattr(layers.Dropout, "call", call)
    model(tf.zeros([2, 8, 8, 3]), seed=tf.constant([0, 7]), training=True)
    assert len(seeds) == 12 == len(set(seeds.values()))
