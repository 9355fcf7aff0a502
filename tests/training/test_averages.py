"""Averages of the weights against the same sums in NumPy, step by step."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.network import resnet
from cifar_fast.training.averages import Averages

SHAPES = [(3, 2), (5,), ()]


def train(kind, *, every=3, decay=0.9, steps=10, first=0, last=10, averages=None, variables=None):
    """Adds the step's number to each variable, in a loop of a tf.function as training is."""
    variables = variables or [keras.Variable(np.full(shape, 100.0, np.float32)) for shape in SHAPES]
    averages = averages or Averages(variables, kind, every, decay, steps)

    @tf.function
    def run():
        for step in tf.range(first, last):
            for variable in variables:
                variable.assign_add(tf.fill(variable.shape, tf.cast(step + 1, tf.float32)))
            averages.update(step)

    run()
    return averages, variables


def held(averages):
    with averages.swapped():
        return [v.numpy() for v in averages._averaged]


def test_ema_equals_the_weighted_sum_and_leaves_training_alone():
    averages, variables = train("ema")
    values = 100 + np.cumsum(np.arange(1, 11))  # after each of the ten steps
    first, second, third, fourth = values[[0, 3, 6, 9]]
    expected = 0.9**3 * first + 0.1 * (0.9**2 * second + 0.9 * third + fourth)
    for value, variable, shape in zip(held(averages), variables, SHAPES, strict=True):
        assert value.shape == shape
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_array_equal(variable.numpy(), np.float32(values[-1]))


def test_lookahead_goes_on_from_its_average():
    averages, variables = train("lookahead")
    value = average = 100.0
    for step in range(10):
        value += step + 1
        if step % 3 == 0:
            kept = 0.9**3 * ((step + 1) / 10) ** 3 if step else 0.0
            value = average = kept * average + (1 - kept) * value
    for found, variable in zip(held(averages), variables, strict=True):
        np.testing.assert_allclose(found, average, rtol=1e-6)
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-6)


def test_the_first_update_holds_nothing_of_the_start():
    for kind in ("ema", "lookahead"):
        averages, _ = train(kind, last=1)
        np.testing.assert_array_equal(averages.variables[0], np.float32(101))


@pytest.mark.parametrize("kind", ["ema", "lookahead"])
def test_a_run_that_goes_on_from_its_variables_comes_to_the_same(kind):
    whole, variables = train(kind)
    half, saved = train(kind, last=5)
    again = [keras.Variable(v.numpy()) for v in saved]
    restored = Averages(again, kind, 3, 0.9, 10)
    for variable, value in zip(restored.variables, half.variables, strict=True):
        variable.assign(value.numpy())
    train(kind, first=5, averages=restored, variables=again)
    for one, two in zip([*whole.variables, *variables], [*restored.variables, *again], strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_a_network_is_swapped_and_restored_to_the_bit_after_an_error_too():
    model = resnet.build(10, (8, 8, 3), units=3, filters=4)
    averages = Averages(model.variables, "ema", 1, 0.5, 10)
    for variable in model.variables:
        variable.assign_add(tf.random.stateless_uniform(variable.shape, [0, 1]))
    before, images = [v.numpy() for v in model.variables], tf.ones([2, 8, 8, 3])
    logits = model(images)
    with pytest.raises(RuntimeError), averages.swapped():
        assert not np.allclose(model(images), logits)
        raise RuntimeError
    for one, two in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(one, two.numpy())


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="kind='swa'"):
        Averages([tf.Variable(1.0)], "swa", 1, 0.5, 10)
    with pytest.raises(ValueError, match="only float32"):
        Averages([tf.Variable(1)], "ema", 1, 0.5, 10)
