"""Accuracy over a whole data set, every example counted once."""
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cifar_fast.training import objective

LARGE = 64 * 64  # pixels of an image, see `at_a_time`
# Test-time augmentation: the views' weights, the image itself first. Those of cifar10-airbench (Jordan, 2024).
VIEWS = {"none": [], "mirror": [0.5, 0.5], "translate": [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]}
QUARTER = "_quarter"  # of a kind's name: the least certain quarter of each batch has the views, the rest one
KINDS = (*VIEWS, "mirror" + QUARTER, "translate" + QUARTER)


def passes(tta):
    """Forward passes over an image that a kind of test-time augmentation takes, in the mean."""
    further = max(0, len(VIEWS[tta.removesuffix(QUARTER)]) - 1)
    return 1 + (further / 4 if tta.endswith(QUARTER) else further)


@dataclass(frozen=True)
class Evaluation:
    """loss (mean cross-entropy plus L2), accuracy and top5 (shares of all examples).

    predictions: int32 [N], the classes with the highest logits; confidences: float32 [N], their probabilities by
    softmax; ranks: int32 [N], how many classes score higher than the true one.
    tta_accuracy, tta_top5: the shares from logits averaged over views of each image; None where they weren't taken.
    """

    loss: float
    accuracy: float
    top5: float
    predictions: np.ndarray
    confidences: np.ndarray
    ranks: np.ndarray
    tta_accuracy: float | None = None
    tta_top5: float | None = None


class Evaluator:
    """Evaluates a model on fixed data that stay on the device.

    Args:
      model: a built `ResNet`. images, labels: uint8 [N, H, W, C], int32 [N].
      statistics: a `batch.Statistics` to standardize with. l2: factor of the penalty in the reported loss.
      batch_size: examples a step; the last batch is padded and the padding not counted. None: see `at_a_time`.
      tta: "none", "mirror" (image and mirror image) or "translate" (also both moved by a pixel along both axes, up
        left and down right, the border reflected); "mirror_quarter" or "translate_quarter", the same views of the
        quarter of each batch whose most likely class has the least probability.
    Raises:
      ValueError: another tta.
    """

    def __init__(self, model, images, labels, statistics, *, l2=0.0, batch_size=None, tta="none"):
        if tta not in KINDS:
            raise ValueError(f"tta={tta!r}: must be one of {', '.join(KINDS)}")
        self.model, self.statistics, self.l2 = model, statistics, l2
        self.tta, self.view_weights = tta, VIEWS[tta.removesuffix(QUARTER)]
        self.examples = len(images)
        self.batch_size = min(batch_size or at_a_time(*images.shape[1:3]), self.examples)
        padding = -self.examples % self.batch_size
        self.images = tf.constant(np.concatenate([images, images[:padding]]))
        self.labels = tf.constant(np.concatenate([labels, labels[:padding]]))

    def build(self, tta):
        """Builds the program of `__call__`, so that the next call runs it alone; XLA compiles in its first run."""
        self.run.get_concrete_function(tta and bool(self.view_weights))

    def __call__(self, tta=False):
        """An `Evaluation`. tta: take the further views too, which costs a forward pass each."""
        return self.evaluation(*(t.numpy()[:self.examples] for t in self.run(tta and bool(self.view_weights))))

    def evaluation(self, losses, predictions, confidences, ranks, tta_ranks=None):
        """What `run` gave for each example, without the padding → an `Evaluation`."""
        penalty = float(objective.l2_penalty([k.value for k in self.model.kernels()], self.l2))
        accuracy, top5 = _hit_rates(ranks)
        tta_accuracy, tta_top5 = (None, None) if tta_ranks is None else _hit_rates(tta_ranks)
        return Evaluation(float(losses.mean(dtype=np.float64)) + penalty, accuracy, top5, predictions.astype(np.int32),
                          confidences, ranks.astype(np.int32), tta_accuracy, tta_top5)

    @tf.function(autograph=False)
    def run(self, tta):
        """Of all examples and the padding: losses, predictions, confidences, ranks, and with tta the averaged logits'
        ranks."""
        steps = self.images.shape[0] // self.batch_size

        def advance(i, arrays):
            results = self._batch(i * self.batch_size, tta)
            return i + 1, [a.write(i, r) for a, r in zip(arrays, results, strict=True)]

        kinds = [tf.float32, tf.int32, tf.float32, tf.int32] + ([tf.int32] if tta else [])
        arrays = [tf.TensorArray(kind, steps) for kind in kinds]
        return [a.concat() for a in tf.while_loop(lambda i, _: i < steps, advance, [0, arrays])[1]]

    def _batch(self, first, tta):
        """What `run` gives, of a batch from image `first` on."""
        images = tf.slice(self.images, [first, 0, 0, 0], [self.batch_size, *self.images.shape[1:]])
        labels = tf.slice(self.labels, [first], [self.batch_size])
        standardized = self.statistics(images)
        logits = self.model(standardized)
        results = [objective.cross_entropy(logits, labels), tf.argmax(logits, 1, tf.int32),
                   tf.reduce_max(tf.nn.softmax(logits), 1), objective.ranks(logits, labels)]
        if tta:
            results.append(objective.ranks(averaged(self.model, standardized, logits, self.tta), labels))
        return results


def at_a_time(height, width):
    """How many images of a size are evaluated at a time: 500, or as many fewer as they are larger than 64×64."""
    return max(1, 500 * LARGE // max(LARGE, height * width))


def averaged(model, images, logits, tta):
    """The logits' weighted mean over all views, of standardized images [B, H, W, C]; `logits` are the images' own, and
    `tta` is one of `KINDS` but for "none"."""
    if tta.endswith(QUARTER):
        least = tf.math.top_k(-tf.reduce_max(tf.nn.softmax(logits), 1), -(-images.shape[0] // 4)).indices
        mean = averaged(model, tf.gather(images, least), tf.gather(logits, least), tta.removesuffix(QUARTER))
        return tf.tensor_scatter_nd_update(logits, least[:, None], mean)
    count, weights = len(VIEWS[tta]), tf.constant(VIEWS[tta])
    views = tf.stack(further_views(images, count))

    def add(i, mean):
        return i + 1, mean + weights[i + 1] * model(tf.ensure_shape(views[i], images.shape))

    # A loop, so that there is one network in the program, however many views.
    return tf.while_loop(lambda i, _: i < count - 1, add, [0, weights[0] * logits])[1]


def _hit_rates(ranks):
    """Top-1 and top-5 accuracy from the ranks of the labels, int32 [N]."""
    return float((ranks < 1).mean()), float((ranks < 5).mean())


def further_views(images, count):
    """The views after the image itself, in the order of `VIEWS`: `count` - 1 tensors like images [B, H, W, C]."""
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], "reflect")
    moved = [padded[:, place:place + height, place:place + width] for place in (0, 2)] if count > 2 else []
    return [tf.reverse(images, [2]), *moved, *(tf.reverse(view, [2]) for view in moved)]
