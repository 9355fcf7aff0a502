"""The optimizers by name, and the decay of each group."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.training import optimizers
from cifar_fast.training.muon import Muon
from tests.support import tiny


def test_adam_has_keras_defaults():
    optimizer = optimizers.build(tiny.config(optimizer="adam"))
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-7)


def test_sgd_is_nesterovs_where_there_is_momentum():
    optimizer = optimizers.build(tiny.config(optimizer="sgd", momentum=0.8))
    assert optimizer.momentum == 0.8 and optimizer.nesterov
    assert not optimizers.build(tiny.config(optimizer="sgd", momentum=0.0)).nesterov


def test_muon_gets_its_rates():
    optimizer = optimizers.build(tiny.config(optimizer="muon", dense_rate=2.0, vector_rate=0.5, momentum=0.7,
                                             muon_momentum=0.3))
    assert isinstance(optimizer, Muon)
    assert (optimizer.factors, optimizer.momentum, optimizer.muon_momentum) == ({2: 2.0, 1: 0.5}, 0.7, 0.3)


@pytest.mark.parametrize("name", ["adam", "sgd", "muon"])
def test_decay_shrinks_each_group_by_its_own_share(name):
    variables = [keras.Variable(np.ones(shape, np.float32)) for shape in ((4, 3), (3,))]
    optimizer = optimizers.build(tiny.config(optimizer=name, learning_rate=0.5, weight_decay=0.1, vector_decay=0.02))
    optimizer.build(variables)
    optimizer.apply([tf.zeros(v.shape) for v in variables], variables)
    np.testing.assert_allclose(variables[0], 0.95, rtol=1e-6)
    np.testing.assert_allclose(variables[1], 0.99, rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("changes, reference", [
    (dict(optimizer="adam"), keras.optimizers.Adam(0.1)),
    (dict(optimizer="sgd", momentum=0.8), keras.optimizers.SGD(0.1, momentum=0.8, nesterov=True)),
    (dict(optimizer="sgd", momentum=0.0), keras.optimizers.SGD(0.1))], ids=["adam", "nesterov", "plain"])
def test_a_few_updates_equal_kerass_own(changes, reference, compiled):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 4, 5), (5, 2), (2,))]
    found = []
    for optimizer in (optimizers.build(tiny.config(learning_rate=0.1, **changes)),
                      type(reference).from_config(reference.get_config())):
        variables = [keras.Variable(value) for value in start]
        optimizer.build(variables)

        @tf.function(jit_compile=compiled, autograph=False)
        def update(*gradients):
            optimizer.apply(gradients, variables)  # noqa: B023  called before the next turn

        draws = np.random.default_rng(1)
        for scale in (1, 1e-4, 30, 1):
            update(*(tf.constant(scale * draws.normal(size=v.shape), tf.float32) for v in variables))
        found.append([v.numpy() for v in optimizer.variables[2:] + variables])
    for ours, theirs in zip(*found, strict=True):
        # The kernel takes 1 - beta_2 of a rounded beta_2, which is 1.3e-5 off.
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=4e-6)


@pytest.mark.parametrize("name", ["adam", "sgd", "muon"])
def test_the_users_keras_json_does_not_change_the_rate(name):
    keras.config.set_floatx("float16")
    try:
        assert optimizers.build(tiny.config(optimizer=name)).learning_rate.dtype == "float32"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_convolutions_decay_as_kernels(name):
    kernel = keras.Variable(np.ones((3, 3, 2, 2), np.float32))
    optimizer = optimizers.build(tiny.config(optimizer=name, learning_rate=0.5, weight_decay=0.1, vector_decay=0.02))
    optimizer.build([kernel])
    optimizer.apply([tf.zeros(kernel.shape)], [kernel])
    np.testing.assert_allclose(kernel, 0.95, rtol=1e-6)
