"""The closed form against what TensorFlow counts in the network's graph."""
import pytest
import tensorflow as tf

from cifar_fast import flops, resnet


@pytest.mark.parametrize("units, filters, size", [(3, 4, 32), (6, 8, 20), (12, 32, 32)])
def test_forward_equals_the_graphs_convolutions(units, filters, size):
    model = resnet.build(10, (size, size, 3), units=units, filters=filters)
    graph = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec([1, size, size, 3])).graph
    total = 0
    for op in graph.get_operations():
        if op.type in ("Conv2D", "MatMul"):
            kernel, out = op.inputs[1].shape, op.outputs[0].shape
            total += 2 * out.num_elements() * kernel.num_elements() // kernel[-1]
    assert flops.forward(units, filters, 10, size) == total


def test_the_original_network():
    assert flops.forward(12, 32, 10) / 2e6 == pytest.approx(235.5, abs=0.01)
    assert flops.training(12, 32, 10) / 1e9 == pytest.approx(1.4034, abs=1e-4)
