"""The built-in images: the same for the same seed, and not for a linear classifier."""
import numpy as np
import pytest

from cifar_fast.data import sources, synthetic


def test_the_same_seed_draws_the_same_images_however_many():
    many, few = synthetic.make(3, 10, 1500, 40), synthetic.make(3, 10, 700, 10)
    np.testing.assert_array_equal(many[0][:700], few[0])
    np.testing.assert_array_equal(many[1][:700], few[1])
    np.testing.assert_array_equal(many[2][:10], few[2])
    assert not np.array_equal(few[0], synthetic.make(4, 10, 700, 10)[0])
    assert not np.array_equal(many[0][:40], many[2])


@pytest.mark.parametrize("classes", [10, 100])
def test_shapes_and_labels(classes):
    data = sources.load("synthetic", classes=classes, train_examples=1000, test_examples=20)
    assert data.train_images.shape == (1000, 32, 32, 3) and data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int32
    assert len(data.class_names) == classes == len(set(data.class_names)) == data.train_labels.max() + 1


def test_a_linear_classifier_stays_under_sixty_percent():
    images, labels, test_images, test_labels = synthetic.make(0, 10, 6000, 1000)

    def features(x):
        return np.concatenate([x.reshape(len(x), -1) / 255 - 0.5, np.ones((len(x), 1))], 1)

    x, y = features(images), np.eye(10)[labels]
    weights = np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ y)
    assert (np.argmax(features(test_images) @ weights, 1) == test_labels).mean() < 0.6
