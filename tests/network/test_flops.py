"""The closed form against what TensorFlow counts in the network's graph."""
import dataclasses

import pytest
import tensorflow as tf

from cifar_fast.config import Config
from cifar_fast.network import flops, resnet
from cifar_fast.training import plan


@pytest.mark.parametrize("units, filters, size", [
    (3, 4, (32, 32)), (6, 8, (20, 20)), (6, 8, (18, 33)), (12, 32, (32, 32))])
def test_forward_equals_the_graphs_convolutions(units, filters, size):
    model = resnet.build(10, (*size, 3), units=units, filters=filters, whitening=True)
    graph = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec([1, *size, 3])).graph
    total = 0
    for op in graph.get_operations():
        if op.type in ("Conv2D", "MatMul"):
            kernel, out = op.inputs[1].shape, op.outputs[0].shape
            total += 2 * out.num_elements() * kernel.num_elements() // kernel[-1]
    whitening = 2 * size[0] * size[1] * 3 * 7 * 7 * 3
    assert flops.forward(units, filters, 10, size) + whitening == total


def test_the_original_network():
    assert flops.forward(12, 32, 10) / 2e6 == pytest.approx(235.5, abs=0.01)
    assert flops.training(12, 32, 10) / 1e9 == pytest.approx(1.4034, abs=1e-4)


def test_epochs_count_whole_batches_of_their_own_size():
    config = Config(units=6, filters=8, batch_size=32, epochs=2, image_sizes="20x1,26x1", crop_size=16)
    first, second = plan.epochs(config, 100)
    assert flops.epoch(config, first, 10, (32, 32, 3)) == 96 * flops.training(6, 8, 10, (20, 20))
    assert flops.epoch(config, second, 100, (32, 32, 1)) == 96 * flops.training(6, 8, 100, (26, 26), 1)
    whitened = dataclasses.replace(config, whitening=True)
    of_whitening = 2 * 400 * 3 * 49 * 3
    assert flops.epoch(whitened, first, 10, (32, 32, 3)) == 96 * (flops.training(6, 8, 10, (20, 20)) + of_whitening)
    plain = first._replace(size=None)
    assert flops.epoch(config, plain, 10, (32, 32, 3)) == 96 * flops.training(6, 8, 10, (16, 16))
    tall = flops.epoch(Config(units=6, filters=8), plain, 10, (64, 32, 1))
    assert tall == 96 * flops.training(6, 8, 10, (64, 32), 1) > 1.9 * 96 * flops.training(6, 8, 10, (32, 32), 1)
