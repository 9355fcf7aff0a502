"""Every example counted once, whatever the batch."""
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cifar_fast import objective, resnet
from cifar_fast.batch import Statistics
from cifar_fast.evaluate import Evaluator


@pytest.mark.parametrize("batch_size", [7, 16, 40, 500])
def test_padding_is_not_counted(batch_size):
    data = tiny.data()
    model = resnet.build(10, (32, 32, 3), units=3, filters=4)
    statistics = Statistics.of(data.train_images, "channel")
    result = Evaluator(model, data.test_images, data.test_labels, statistics, l2=0.1, batch_size=batch_size)()
    logits = model(statistics(data.test_images)).numpy()
    order = np.argsort(-logits, 1, kind="stable")
    hits = order == data.test_labels[:, None]
    assert result.accuracy == hits[:, 0].mean()
    assert result.top5 == pytest.approx(hits[:, :5].any(1).mean())
    np.testing.assert_array_equal(result.predictions, order[:, 0])
    loss = objective.cross_entropy(tf.constant(logits), tf.constant(data.test_labels)).numpy().mean()
    penalty = 0.1 * sum(float((k.numpy() ** 2).sum()) for k in model.kernels())
    assert result.loss == pytest.approx(loss + penalty, rel=1e-4)
