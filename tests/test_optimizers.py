"""The optimizers by name, and the decay of each group."""
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cifar_fast import optimizers
from cifar_fast.muon import Muon


def test_adam_has_keras_defaults():
    optimizer = optimizers.build(tiny.config(optimizer="adam"))
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-7)


def test_sgd_is_nesterovs_where_there_is_momentum():
    optimizer = optimizers.build(tiny.config(optimizer="sgd", momentum=0.8))
    assert optimizer.momentum == 0.8 and optimizer.nesterov
    assert not optimizers.build(tiny.config(optimizer="sgd", momentum=0.0)).nesterov


def test_muon_gets_its_rates():
    optimizer = optimizers.build(tiny.config(optimizer="muon", dense_rate=2.0, vector_rate=0.5, momentum=0.85))
    assert isinstance(optimizer, Muon)
    assert (optimizer.factors, optimizer.momentum, optimizer.muon_momentum) == ({2: 2.0, 1: 0.5}, 0.85, 0.6)


@pytest.mark.parametrize("name", ["adam", "sgd", "muon"])
def test_decay_shrinks_each_group_by_its_own_share(name):
    variables = [keras.Variable(np.ones(shape, np.float32)) for shape in ((4, 3), (3,))]
    optimizer = optimizers.build(tiny.config(optimizer=name, learning_rate=0.5, weight_decay=0.1, vector_decay=0.02))
    optimizer.build(variables)
    optimizer.apply([tf.zeros(v.shape) for v in variables], variables)
    np.testing.assert_allclose(variables[0], 0.95, rtol=1e-6)
    np.testing.assert_allclose(variables[1], 0.99, rtol=1e-6)
