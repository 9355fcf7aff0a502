"""Loss and hits against NumPy."""
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from cifar_fast.training import objective


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(smoothing):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 10)), rng.integers(0, 10, 6)
    targets = np.eye(10)[labels] * (1 - smoothing) + smoothing / 10
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    ours = objective.cross_entropy(tf.constant(logits, tf.float32), tf.constant(labels, tf.int32), smoothing)
    np.testing.assert_allclose(ours, -(targets * log_probabilities).sum(1), rtol=1e-5)


def test_ranks_count_the_classes_that_score_higher():
    logits = tf.constant([[3.0, 1, 2], [3, 1, 2], [3, 1, 2]])
    np.testing.assert_array_equal(objective.ranks(logits, tf.constant([0, 1, 2])), [0, 2, 1])


def test_l2_is_the_factor_times_the_sum_of_squares():
    kernels = [tf.constant([1.0, 2.0]), tf.constant([[3.0]])]
    assert float(objective.l2_penalty(kernels, 0.5)) == 7
    assert float(objective.l2_penalty(kernels, 0.0)) == 0


def test_balanced_weights_are_scikit_learns_and_one_for_even_classes():
    labels = np.repeat([0, 1, 3], [6, 3, 1])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    np.testing.assert_allclose(objective.balanced(labels, 5), [*expected[:2], 0, expected[2], 0], rtol=1e-6)
    assert (objective.balanced(np.arange(30) % 10, 10) == 1).all()
    assert objective.balanced(labels, 5)[labels].mean() == pytest.approx(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_multiply_the_losses(smoothing):
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    labels, weights = np.int32([0, 1, 2, 2, 1, 0]), np.float32([0.5, 1, 3])
    plain = objective.cross_entropy(logits, labels, smoothing).numpy()
    np.testing.assert_array_equal(objective.cross_entropy(logits, labels, smoothing, weights), plain * weights[labels])
