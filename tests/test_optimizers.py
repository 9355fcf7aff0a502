"""The optimizers by name."""
import keras
import tiny

from cifar_fast import optimizers


def test_adam_has_keras_defaults():
    optimizer = optimizers.build(tiny.config(optimizer="adam"))
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-7)


def test_sgd_is_nesterovs_where_there_is_momentum():
    optimizer = optimizers.build(tiny.config(optimizer="sgd", momentum=0.8))
    assert optimizer.momentum == 0.8 and optimizer.nesterov
    assert not optimizers.build(tiny.config(optimizer="sgd", momentum=0.0)).nesterov
