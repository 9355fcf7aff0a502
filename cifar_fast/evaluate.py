"""Accuracy over a whole data set, every example counted once."""
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cifar_fast import objective


@dataclass(frozen=True)
class Evaluation:
    """loss (mean cross-entropy plus L2), accuracy and top5 (shares of all examples), predictions int32 [N]."""

    loss: float
    accuracy: float
    top5: float
    predictions: np.ndarray


class Evaluator:
    """Evaluates a model on fixed data that stay on the device.

    Args:
      model: a built `ResNet`. images, labels: uint8 [N, H, W, C], int32 [N].
      statistics: a `batch.Statistics` to standardize with. l2: factor of the penalty in the reported loss.
      batch_size: examples a step; the last batch is padded and the padding not counted.
    """

    def __init__(self, model, images, labels, statistics, *, l2=0.0, batch_size=500):
        self.model, self.statistics, self.l2 = model, statistics, l2
        self.examples = len(images)
        self.batch_size = min(batch_size, self.examples)
        padding = -self.examples % self.batch_size
        self.images = tf.constant(np.concatenate([images, images[:padding]]))
        self.labels = tf.constant(np.concatenate([labels, labels[:padding]]))

    def __call__(self):
        losses, ranks, predictions = (t.numpy()[:self.examples] for t in self._run())
        penalty = float(objective.l2_penalty([k.value for k in self.model.kernels()], self.l2))
        return Evaluation(float(losses.mean(dtype=np.float64)) + penalty, float((ranks < 1).mean()),
                          float((ranks < 5).mean()), predictions)

    @tf.function
    def _run(self):
        steps = self.images.shape[0] // self.batch_size
        arrays = [tf.TensorArray(dtype, steps) for dtype in (tf.float32, tf.int32, tf.int32)]
        for i in tf.range(steps):
            part = slice(i * self.batch_size, (i + 1) * self.batch_size)
            images = tf.ensure_shape(self.images[part], [self.batch_size, *self.images.shape[1:]])
            labels = tf.ensure_shape(self.labels[part], [self.batch_size])
            logits = self.model(self.statistics(images))
            results = (objective.cross_entropy(logits, labels), objective.ranks(logits, labels),
                       tf.argmax(logits, 1, tf.int32))
            arrays = [a.write(i, r) for a, r in zip(arrays, results, strict=True)]
        return [a.concat() for a in arrays]
